"""Layers in a row, of which some are computed together."""

from torch import Tensor, nn

from normbench.models.dropout import Dropout
from normbench.norms.compiled import Compiled


class Merged(nn.Sequential):
    """`nn.Sequential`, in which a norm, the ReLU and the Dropout behind it take one pass over their images if they can.

    A norm with an activation of its own has an Identity in the place of the ReLU. The outcome is that of one after the
    other, rounded once. Layers that somebody listens to by a hook are called one by one.
    """

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self)
        while layers:
            merged = _merged(layers[:3], x)
            if merged is None:
                x, layers = layers[0](x), layers[1:]
            else:
                x, layers = merged, layers[3:]
        return x


def _merged(layers: list[nn.Module], x: Tensor) -> Tensor | None:
    match layers:
        case [Compiled(has_activation=False) as norm, nn.ReLU(), Dropout() as dropout]:
            act = {"relu": True}
        case [Compiled(has_activation=True) as norm, nn.Identity(), Dropout() as dropout]:
            act = {}
        case _:
            return None
    if any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers):
        return None
    kernel = norm.kernel(x)
    return None if kernel is None else kernel(x, **act, drop=dropout.draw())

"""Layers in a row, computed together."""

from torch import Tensor, nn

from normbench.kernels import Images, Kernel, images_of, run
from normbench.models.dropout import Dropout
from normbench.norms.compiled import Compiled, CompiledNorm


class Merged(nn.Sequential):
    """`nn.Sequential`, in which layers with kernels are computed in one call if they follow each other.

    A norm, the ReLU and the Dropout behind it take one pass over their images; a norm with an activation of its own
    has an Identity in the place of the ReLU. The outcome is that of one layer after the other, where those three round
    once. Layers that somebody listens to by a hook are called one by one.
    """

    def forward(self, x: Tensor) -> Tensor:
        layers, ahead = list(self), list[Kernel]()
        images = images_of(x)
        while layers:
            kernel, count = _next_kernel(layers, images) if images else (None, 1)
            if kernel:
                ahead.append(kernel)
                images, layers = kernel.plan.y, layers[count:]
            elif ahead:  # once more, with the numbers
                x, ahead = run(x, *ahead), []
                images = images_of(x)
            else:
                x, layers = layers[0](x), layers[1:]
                images = images_of(x)
        return run(x, *ahead) if ahead else x


def _next_kernel(layers: list[nn.Module], images: Images) -> tuple[Kernel | None, int]:
    """Of the first layers, and of how many."""
    match layers[:3]:
        case [CompiledNorm(has_activation=False) as norm, nn.ReLU() as act, Dropout() as dropout]:
            behind = {"relu": True}
        case [CompiledNorm(has_activation=True) as norm, nn.Identity() as act, Dropout() as dropout]:
            behind = {}
        case [Compiled() as layer, *_]:
            return (None if _is_heard(layer) else layer.kernel(images)), 1
        case _:
            return None, 1
    if _is_heard(norm, act, dropout):
        return None, 1
    kernel = norm.kernel(images, **behind, drop=dropout.threshold)
    if kernel and dropout.threshold:
        kernel = kernel._replace(seed=dropout.draw())
    return kernel, 3


def _is_heard(*layers: nn.Module) -> bool:
    return any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)

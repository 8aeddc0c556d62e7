"""The weights of a training step in the dtype of autocast, cast in one call instead of one by one."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from normbench.train.setting import Setting

_KNOWN = ("normbench", "torch")  # packages: a network of others may read a weight outside of its layer
_LAYERS, _NAMES = (nn.Conv2d, nn.Linear), ("weight", "bias")


def casts_at_once(network: nn.Module, setting: Setting) -> bool:
    """Whether a pass of the network gains by `CastAtOnce`: in bf16 on a GPU, with layers whose weights it may cast."""
    return setting.device.type == "cuda" and setting.precision == "bf16" and bool(_cast_names(network))


class CastAtOnce(nn.Module):
    """Computes what `network` does under autocast, with the same bits.

    Autocast casts the weight and the bias of each conv and linear layer by itself, and the gradient of each back. On a
    GPU these are two kernels for every tensor, each of which takes as long as a layer of a small network. Here one call
    casts all of them before the forward pass. The float32 weights of other types of layers stay, such as those of convs
    that standardize them, and so do weights that layers share. Networks with layers from outside are left as they are.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.network = network
        parameters = dict(network.named_parameters())
        self._names = _cast_names(network)
        self._originals: list[Tensor] = [parameters[name] for name in self._names]
        self._copies = [
            torch.empty_like(original, dtype=dtype, requires_grad=original.requires_grad)
            for original in self._originals
        ]
        self._leaves = {id(parameters[name]): copy for name, copy in zip(self._names, self._copies, strict=True)}

    def leaf(self, parameter: Tensor) -> Tensor:
        """The tensor to differentiate by for the gradient of a parameter, which has the leaf's dtype."""
        return self._leaves.get(id(parameter), parameter)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            torch._foreach_copy_(self._copies, self._originals)
        logits: Tensor = functional_call(self.network, dict(zip(self._names, self._copies, strict=True)), (x,))
        return logits


def _cast_names(network: nn.Module) -> list[str]:
    """The names of the parameters that only convs and linear layers use; none in a network with layers from outside."""
    cast, kept = set[int](), set[int]()
    for layer in network.modules():
        if type(layer).__module__.partition(".")[0] not in _KNOWN:
            return []
        for name, parameter in layer._parameters.items():
            (cast if type(layer) in _LAYERS and name in _NAMES else kept).add(id(parameter))
    return [name for name, parameter in network.named_parameters() if id(parameter) in cast - kept]

"""MACs and the receptive field of each layer, found by a forward pass of one image."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class LayerTrace:
    """One layer, in the order of the forward pass.

    path, kind: its name in the network, and its class. output_shape: for one image; () for an output that is no tensor.
    num_parameters: trainable values of the layer, without those of layers inside it.
    macs: multiply-adds an image of convs and linear layers; biases, norms and activations count as 0.
    receptive_field: width, in image pixels, of the region that a position depends on through convs and pools along the
        longest path; None for the whole image.
    jump: distance, in image pixels, between neighbouring positions; None as for receptive_field.
    """

    path: str
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int
    macs: int
    receptive_field: int | None
    jump: int | None


class _Field(NamedTuple):
    """Compared by size first: where branches meet, `max` takes the longest path."""

    size: float
    jump: float


_PIXEL = _Field(1, 1)
_GLOBAL = _Field(math.inf, math.inf)
_SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
_WHOLE = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Linear)


def trace(model: nn.Module, image_shape: tuple[int, int, int]) -> list[LayerTrace]:
    """One entry for each row of torchsummary's table, for float images [B, C, H, W] of `image_shape` (C, H, W).

    Receptive fields leave out the statistics of norms. Those of group, layer and instance norm depend on the whole
    image from the first layer on, those of batch norm in training on the whole batch.
    Receptive fields: Araujo, Norris & Sim 2019, Distill, doi:10.23915/distill.00021. The model is left as it is.
    """
    model = deepcopy(model).cpu().eval()
    layers: list[LayerTrace] = []
    fields = _Fields()

    def after_forward(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        before = fields.widest((*inputs, *named.values()))
        if isinstance(module, _SLIDING):
            fields.put(output, _slide(before, module))
        elif isinstance(module, _WHOLE):
            fields.put(output, _GLOBAL)
        field = fields.widest((output,))
        is_global = math.isinf(field.size)
        layers.append(
            LayerTrace(
                path=paths[module],
                kind=type(module).__name__,
                output_shape=tuple(output.shape[1:]) if isinstance(output, Tensor) else (),
                num_parameters=sum(p.numel() for p in module.parameters(recurse=False) if p.requires_grad),
                macs=_macs(module, output),
                receptive_field=None if is_global else int(field.size),
                jump=None if is_global else int(field.jump),
            )
        )

    paths = {module: path for path, module in model.named_modules()}
    for module in paths:
        if module is not model and not isinstance(module, nn.Sequential | nn.ModuleList):  # as torchsummary
            module.register_forward_hook(after_forward, with_kwargs=True)
    with torch.no_grad(), fields:
        model(torch.zeros(1, *image_shape))
    return layers


def count_macs(model: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of the convs and linear layers for one image, forward."""
    return sum(layer.macs for layer in trace(model, image_shape))


class _Fields(TorchFunctionMode):
    """Stores the receptive field of each tensor, and passes it on through the operations between the layers."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[Tensor, _Field]] = {}  # holding the tensor keeps its id from being used again

    def put(self, tensor: Tensor, field: _Field) -> None:
        self._known[id(tensor)] = (tensor, field)

    def widest(self, values: Iterable[Any]) -> _Field:
        """The widest field of the tensors in `values`; that of a tensor without inputs, as the image, is one pixel."""
        known = (self._known[id(tensor)][1] for tensor in _tensors(values) if id(tensor) in self._known)
        return max(known, default=_PIXEL)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if isinstance(output, Tensor):
            self.put(output, self.widest((*args, *kwargs.values())))
        return output


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())


def _slide(before: _Field, module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> _Field:
    if before == _GLOBAL:
        return _GLOBAL
    kernel, stride = _height(module.kernel_size), _height(module.stride)
    dilation = _height(getattr(module, "dilation", 1))
    return _Field(before.size + dilation * (kernel - 1) * before.jump, before.jump * stride)


def _height(value: int | tuple[int, ...]) -> int:
    return value[0] if isinstance(value, tuple) else value


def _macs(module: nn.Module, output: Any) -> int:
    """Each output value is a sum over one filter (conv) or one row of the weight (linear)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        return output.numel() * module.weight[0].numel()
    return 0

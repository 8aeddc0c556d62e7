"""Layers lowered to ops: one table, layer class -> the function that lowers it."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from normbench.kernels.eager import is_plain
from normbench.kernels.op import NO_EPILOGUE, Epilogue, Op, TensorDesc
from normbench.kernels.ops.conv import convolve
from normbench.kernels.ops.element import normalize_elements
from normbench.kernels.ops.linear import linear
from normbench.kernels.ops.norm import IMAGE, Region, normalize
from normbench.kernels.ops.per_image import (
    dynamic_tanh,
    evo_norm,
    filter_response,
    identity,
    layer_norm,
    root_mean_square,
)
from normbench.kernels.ops.pool import global_avg_pool, max_pool
from normbench.kernels.ops.renorm import Bounds, renormalize
from normbench.models.dropout import Dropout
from normbench.norms.activated import EvoNorm2dS0, FilterResponseNorm2d
from normbench.norms.batch import PreciseBatchNorm2d
from normbench.norms.ghost import GhostBatchNorm2d
from normbench.norms.group_norm import InstanceNorm2d
from normbench.norms.layer import LayerNorm, LayerNorm2d, RMSNorm2d
from normbench.norms.pointwise import DynamicTanh
from normbench.norms.renorm import BatchRenorm2d
from normbench.norms.weight_standardization import StandardizedConv2d

Tensors = tuple[Tensor, ...]


def no_tensors() -> Tensors:
    return ()


class Lowered(NamedTuple):
    """A layer as an op, with functions that give the op's current tensors whenever it runs."""

    op: Op
    parameters: Callable[[], Tensors] = no_tensors
    buffers: Callable[[], Tensors] = no_tensors


def bind(
    op: Op | None, parameters: Callable[[], Tensors] = no_tensors, buffers: Callable[[], Tensors] = no_tensors
) -> Lowered | None:
    """The op with its tensors; None without an op."""
    return None if op is None else Lowered(op, parameters, buffers)


Lowering = Callable[[Any, TensorDesc, Epilogue], Lowered | None]
"""(layer, descriptor of its input, epilogue) -> the layer with this epilogue as one op, or None if no op computes it.

A lowering has no side effects, and it reads only settings of the layer and descriptors of the layer's tensors: what it
finds is used until one of these changes.
"""


def autocast_dtype() -> torch.dtype | None:
    """The type that autocast asks convolutions on the CPU to compute in; None without autocast."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None


def lower_conv(layer: nn.Conv2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    weight = layer.weight
    if weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last):
        return _lower_filters(layer, x, epilogue, lambda: layer.weight, weight.stride())
    return _lower_filters(layer, x, epilogue, lambda: layer.weight.contiguous(), _contiguous_strides(weight))


def lower_standardized_conv(layer: StandardizedConv2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_filters(layer, x, epilogue, layer.standardized, _contiguous_strides(layer.weight))


def _lower_filters(
    layer: nn.Conv2d, x: TensorDesc, epilogue: Epilogue, filters: Callable[[], Tensor], strides: tuple[int, ...]
) -> Lowered | None:
    """A conv with the weight that `filters` gives, of these strides."""
    if epilogue != NO_EPILOGUE or autocast_dtype() != torch.bfloat16 or not _keeps_size(layer):
        return None
    if not all(_is_float32(stored) for stored in layer.parameters(recurse=False)):
        return None
    bias = _or_constant(layer, "bias", torch.zeros(layer.out_channels))
    if x.dtype == torch.float32 and x.shape[2:] == layer.kernel_size == (1, 1):
        op = linear(x, layer.out_channels) if x.shape[1] == layer.in_channels else None
        return bind(op, lambda: (filters().contiguous(), bias()))
    op = convolve(x, layer.weight.shape, strides)
    return bind(op, lambda: (filters(), bias()))


def _keeps_size(layer: nn.Conv2d) -> bool:
    """Whether the layer is a plain conv at stride 1 with zero padding, whose output has the size of its input."""
    plain = layer.stride == layer.dilation == (1, 1) and layer.groups == 1 and layer.padding_mode == "zeros"
    height, width = layer.kernel_size
    return plain and layer.padding in ("same", (height // 2, width // 2))


def lower_batch_norm(layer: nn.BatchNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_batch(layer, x, epilogue, num_images=x.shape[0], moves_statistics=layer.track_running_stats)


def lower_precise_batch_norm(layer: PreciseBatchNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_batch(layer, x, epilogue, num_images=x.shape[0], moves_statistics=False)


def lower_ghost_batch_norm(layer: GhostBatchNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_batch(layer, x, epilogue, num_images=layer.ghost_size, moves_statistics=True)


def _lower_batch(
    layer: nn.BatchNorm2d, x: TensorDesc, epilogue: Epilogue, *, num_images: int, moves_statistics: bool
) -> Lowered | None:
    """Statistics of each channel over `num_images` neighbouring images, in training; eval mode stays with PyTorch."""
    if not layer.training or _one_pixel(x) or not _fits(layer, x, layer.num_features):
        return None
    if moves_statistics and layer.momentum is None:  # a cumulative average, which the op does not compute
        return None
    region = Region(num_images, layer.num_features)
    op = normalize(x, region, layer.eps, epilogue, layer.momentum if moves_statistics else None)
    names = ("running_mean", "running_var", "num_batches_tracked")
    return bind(op, _affine(layer, x), _tensors(layer, *names) if moves_statistics else no_tensors)


def lower_batch_renorm(layer: BatchRenorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    if not layer.training or _one_pixel(x) or not _fits(layer, x, layer.num_channels):
        return None
    bounds = Bounds(layer.r_max, layer.d_max, layer.warmup_steps, layer.r_steps, layer.d_steps)
    op = renormalize(x, bounds, layer.eps, layer.momentum, epilogue)
    buffers = _tensors(layer, "running_mean", "running_std", "num_batches_tracked")
    return bind(op, _affine(layer, x), buffers)


def lower_group_norm(layer: nn.GroupNorm, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_groups(layer, x, epilogue, layer.num_channels, layer.num_groups)


def lower_instance_norm(layer: nn.InstanceNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    if layer.track_running_stats or _one_pixel(x):
        return None
    return _lower_groups(layer, x, epilogue, layer.num_features, layer.num_features)


def _lower_groups(
    layer: nn.GroupNorm | nn.InstanceNorm2d, x: TensorDesc, epilogue: Epilogue, num_channels: int, num_groups: int
) -> Lowered | None:
    op = normalize(x, Region(1, num_groups), layer.eps, epilogue) if _fits(layer, x, num_channels) else None
    return bind(op, _affine(layer, x))


def lower_layer_norm(layer: nn.LayerNorm, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    """Layer norm over whole images, with γ and β for each element."""
    if layer.normalized_shape != tuple(x.shape[1:]) or not _fits(layer, x, x.shape[1]):
        return None
    if layer.weight is None:
        op = normalize(x, IMAGE, layer.eps, epilogue)
        return bind(op, _affine(layer, x))
    op = normalize_elements(x, layer.eps, epilogue)
    bias = _or_constant(layer, "bias", torch.zeros(layer.normalized_shape))
    return bind(op, lambda: tuple(part.permute(1, 2, 0).contiguous() for part in (layer.weight, bias())))


def lower_layer_norm_2d(layer: LayerNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = layer_norm(x, layer.eps, epilogue) if _fits(layer, x, *layer.normalized_shape) else None
    return bind(op, _affine(layer, x))


def lower_rms_norm(layer: RMSNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = root_mean_square(x, layer.eps, epilogue) if _fits(layer, x, layer.num_channels) else None
    return bind(op, _affine(layer, x))


def lower_filter_response(layer: FilterResponseNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = filter_response(x, layer.eps, epilogue) if _fits(layer, x, layer.num_channels) else None
    affine = _affine(layer, x)
    return bind(op, lambda: (*affine(), layer.tau))


def lower_evo_norm(layer: EvoNorm2dS0, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = evo_norm(x, layer.num_groups, layer.eps, epilogue) if _fits(layer, x, layer.num_channels) else None
    affine = _affine(layer, x)
    return bind(op, lambda: (*affine(), layer.v))


def lower_dynamic_tanh(layer: DynamicTanh, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = dynamic_tanh(x, epilogue) if _fits(layer, x, layer.num_channels) else None
    affine = _affine(layer, x)
    return bind(op, lambda: (*affine(), layer.alpha.expand(layer.num_channels).contiguous()))


def lower_identity(layer: nn.Identity, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    """The norm `none` in front of a ReLU."""
    op = identity(x, epilogue) if epilogue.relu else None
    return bind(op)


def lower_max_pool(layer: nn.MaxPool2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    plain = _pair(layer.padding) == (0, 0) and _pair(layer.dilation) == (1, 1)
    halves = _pair(layer.kernel_size) == _pair(layer.stride) == (2, 2) and plain
    if epilogue != NO_EPILOGUE or not halves or layer.ceil_mode or layer.return_indices:
        return None
    op = max_pool(x)
    return bind(op)


def lower_average_pool(layer: nn.AdaptiveAvgPool2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    """The mean of all pixels; the op returns it in float32 for bfloat16 images too."""
    if epilogue != NO_EPILOGUE or _pair(layer.output_size) != (1, 1):
        return None
    op = global_avg_pool(x)
    return bind(op)


LOWERINGS: Mapping[type[nn.Module], Lowering] = {
    nn.Conv2d: lower_conv,
    StandardizedConv2d: lower_standardized_conv,
    nn.BatchNorm2d: lower_batch_norm,
    PreciseBatchNorm2d: lower_precise_batch_norm,
    GhostBatchNorm2d: lower_ghost_batch_norm,
    BatchRenorm2d: lower_batch_renorm,
    nn.GroupNorm: lower_group_norm,
    nn.InstanceNorm2d: lower_instance_norm,
    InstanceNorm2d: lower_instance_norm,
    nn.LayerNorm: lower_layer_norm,
    LayerNorm: lower_layer_norm,
    LayerNorm2d: lower_layer_norm_2d,
    RMSNorm2d: lower_rms_norm,
    FilterResponseNorm2d: lower_filter_response,
    EvoNorm2dS0: lower_evo_norm,
    DynamicTanh: lower_dynamic_tanh,
    nn.Identity: lower_identity,
    nn.MaxPool2d: lower_max_pool,
    nn.AdaptiveAvgPool2d: lower_average_pool,
}
"""Exact types: a subclass may compute something else.

To add one: describe the op in `ops`, write a function here that lowers the layer to it, and a line.
"""

EPILOGUES = (nn.ReLU, Dropout, nn.Dropout)
"""Layers that ops compute as the epilogue of another layer. Exact types, too."""


def lower(layer: nn.Module, x: TensorDesc, epilogue: Epilogue = NO_EPILOGUE) -> Lowered | None:
    """The layer with this epilogue as one op; None if no op computes it.

    A setting that is a tensor, such as a momentum that changes, is read in each step: no op does that.
    """
    lowering = LOWERINGS.get(type(layer))
    if lowering is None or any(isinstance(setting, Tensor) for setting in vars(layer).values()):
        return None
    return lowering(layer, x, epilogue)


def _fits(layer: nn.Module, x: TensorDesc, num_channels: int) -> bool:
    """Whether x has the channels of the layer, and the kernels can read and write all that the layer stores.

    The kernels get pointers only: parameters and statistics must be contiguous float32, and counts int64, on the CPU.
    """
    stored = (*layer._parameters.values(), *layer._buffers.values())
    return x.shape[1] == num_channels and all(
        part is None or (_is_stored_for_kernels(part) and part.is_contiguous()) for part in stored
    )


def _is_stored_for_kernels(part: Tensor) -> bool:
    return is_plain(part) and part.dtype in (torch.float32, torch.int64) and part.is_cpu


def _is_float32(part: Tensor) -> bool:
    return is_plain(part) and part.dtype == torch.float32 and part.is_cpu


def _affine(layer: nn.Module, x: TensorDesc) -> Callable[[], Tensors]:
    """γ and β [C]; 1 and 0 for a layer without them."""
    weight = _or_constant(layer, "weight", torch.ones(x.shape[1]))
    bias = _or_constant(layer, "bias", torch.zeros(x.shape[1]))
    return lambda: (weight(), bias())


def _or_constant(layer: nn.Module, name: str, constant: Tensor) -> Callable[[], Tensor]:
    if getattr(layer, name, None) is None:
        return lambda: constant
    return lambda: layer._parameters[name]  # type: ignore[return-value]


def _tensors(layer: nn.Module, *names: str) -> Callable[[], Tensors]:
    return lambda: tuple(getattr(layer, name) for name in names)


def _contiguous_strides(weight: Tensor) -> tuple[int, ...]:
    return torch.empty(weight.shape, device="meta").stride()


def _one_pixel(x: TensorDesc) -> bool:
    """Whether images have one pixel: with one value a channel, PyTorch's layers raise in training."""
    return math.prod(x.shape[2:]) == 1


def _pair(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value, value)

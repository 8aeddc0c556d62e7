"""Norm layers as ops."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from normbench.kernels.layers.binding import (
    Lowered,
    Tensors,
    affine_of,
    bind,
    fits,
    no_tensors,
    or_constant,
    tensors_of,
)
from normbench.kernels.op import Epilogue, TensorDesc
from normbench.kernels.ops.element import normalize_elements
from normbench.kernels.ops.norm import IMAGE, Region, normalize
from normbench.kernels.ops.per_image import (
    channel_affine,
    dynamic_tanh,
    evo_norm,
    filter_response,
    layer_norm,
    root_mean_square,
)
from normbench.kernels.ops.renorm import Bounds, renormalize
from normbench.norms.activated import EvoNorm2dS0, FilterResponseNorm2d
from normbench.norms.batch import PreciseBatchNorm2d
from normbench.norms.ghost import GhostBatchNorm2d
from normbench.norms.layer import LayerNorm2d, RMSNorm2d
from normbench.norms.pointwise import DynamicTanh
from normbench.norms.renorm import BatchRenorm2d


def lower_batch_norm(layer: nn.BatchNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_batch(layer, x, epilogue, num_images=x.shape[0], moves_statistics=layer.track_running_stats)


def lower_precise_batch_norm(layer: PreciseBatchNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_batch(layer, x, epilogue, num_images=x.shape[0], moves_statistics=False)


def lower_ghost_batch_norm(layer: GhostBatchNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_batch(layer, x, epilogue, num_images=layer.ghost_size, moves_statistics=True)


def _lower_batch(
    layer: nn.BatchNorm2d, x: TensorDesc, epilogue: Epilogue, *, num_images: int, moves_statistics: bool
) -> Lowered | None:
    """Statistics of each channel over `num_images` neighbouring images, in training; else the running statistics."""
    if not fits(layer, x, layer.num_features):
        return None
    if not layer.training and layer.running_mean is not None:
        return _lower_by_running_statistics(layer, x, epilogue, "running_var", lambda var: (var + layer.eps).sqrt())
    if not layer.training or _has_single_values(x, num_images):
        return None
    if moves_statistics and layer.momentum is None:  # a cumulative average, which the op does not compute
        return None
    region = Region(num_images, layer.num_features)
    op = normalize(x, region, layer.eps, epilogue, layer.momentum if moves_statistics else None)
    names = ("running_mean", "running_var", "num_batches_tracked")
    return bind(op, affine_of(layer, x), tensors_of(layer, *names) if moves_statistics else no_tensors)


def lower_batch_renorm(layer: BatchRenorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    if not fits(layer, x, layer.num_channels):
        return None
    if not layer.training:
        return _lower_by_running_statistics(layer, x, epilogue, "running_std", lambda std: std)
    if _has_single_values(x, x.shape[0]):
        return None
    bounds = Bounds(layer.r_max, layer.d_max, layer.warmup_steps, layer.r_steps, layer.d_steps)
    op = renormalize(x, bounds, layer.eps, layer.momentum, epilogue)
    buffers = tensors_of(layer, "running_mean", "running_std", "num_batches_tracked")
    return bind(op, affine_of(layer, x), buffers)


def _lower_by_running_statistics(
    layer: nn.Module, x: TensorDesc, epilogue: Epilogue, name: str, std_of: Callable[[Tensor], Tensor]
) -> Lowered | None:
    """γ (x − μ) / σ + β as one affine map of each channel. `std_of` makes σ of the buffer of this name."""
    affine, statistics = affine_of(layer, x), tensors_of(layer, "running_mean", name)

    def folded() -> Tensors:
        (weight, bias), (mean, stored) = affine(), statistics()
        scale = weight / std_of(stored)
        return scale, bias - mean * scale

    return bind(channel_affine(x, epilogue), folded)


def lower_group_norm(layer: nn.GroupNorm, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_groups(layer, x, epilogue, layer.num_channels, layer.num_groups)


def lower_instance_norm(layer: nn.InstanceNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    if layer.track_running_stats or _has_single_values(x, num_images=1):
        return None
    return _lower_groups(layer, x, epilogue, layer.num_features, layer.num_features)


def _lower_groups(
    layer: nn.GroupNorm | nn.InstanceNorm2d, x: TensorDesc, epilogue: Epilogue, num_channels: int, num_groups: int
) -> Lowered | None:
    op = normalize(x, Region(1, num_groups), layer.eps, epilogue) if fits(layer, x, num_channels) else None
    return bind(op, affine_of(layer, x))


def lower_layer_norm(layer: nn.LayerNorm, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    """Layer norm over whole images, with γ and β for each element."""
    if layer.normalized_shape != tuple(x.shape[1:]) or not fits(layer, x, x.shape[1]):
        return None
    if layer.weight is None:
        op = normalize(x, IMAGE, layer.eps, epilogue)
        return bind(op, affine_of(layer, x))
    op = normalize_elements(x, layer.eps, epilogue)
    bias = or_constant(layer, "bias", torch.zeros(layer.normalized_shape))
    return bind(op, lambda: tuple(part.permute(1, 2, 0).contiguous() for part in (layer.weight, bias())))


def lower_layer_norm_2d(layer: LayerNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = layer_norm(x, layer.eps, epilogue) if fits(layer, x, *layer.normalized_shape) else None
    return bind(op, affine_of(layer, x))


def lower_rms_norm(layer: RMSNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = root_mean_square(x, layer.eps, epilogue) if fits(layer, x, layer.num_channels) else None
    return bind(op, affine_of(layer, x))


def lower_filter_response(layer: FilterResponseNorm2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = filter_response(x, layer.eps, epilogue) if fits(layer, x, layer.num_channels) else None
    affine = affine_of(layer, x)
    return bind(op, lambda: (*affine(), layer.tau))


def lower_evo_norm(layer: EvoNorm2dS0, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = evo_norm(x, layer.num_groups, layer.eps, epilogue) if fits(layer, x, layer.num_channels) else None
    affine = affine_of(layer, x)
    return bind(op, lambda: (*affine(), layer.v))


def lower_dynamic_tanh(layer: DynamicTanh, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    op = dynamic_tanh(x, epilogue) if fits(layer, x, layer.num_channels) else None
    affine = affine_of(layer, x)
    return bind(op, lambda: (*affine(), layer.alpha.expand(layer.num_channels).contiguous()))


def _has_single_values(x: TensorDesc, num_images: int) -> bool:
    """Whether a channel of so many neighbouring images is one value: in training, PyTorch's layers raise then."""
    fewest = x.shape[0] % num_images or num_images
    return fewest * math.prod(x.shape[2:]) == 1

"""A norm with the ReLU and the dropout behind it, forward and backward."""

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normbench.kernels.library import library

LANES, MOST_CHANNELS = 16, 32
DTYPES = (torch.float32, torch.bfloat16)


@dataclass(frozen=True)
class Sets:
    """What a mean and a variance are taken over: `num_images` neighbouring images and one of `num_groups` equal groups
    of neighbouring channels, at all pixels. The last images may be fewer."""

    num_images: int
    num_groups: int


@dataclass(frozen=True)
class Running:
    """Statistics [C] that a layer stores, how far each batch moves them, and the count of batches, int64 []."""

    mean: Tensor
    var: Tensor
    momentum: float
    num_batches: Tensor


@dataclass(frozen=True)
class Drop:
    """Dropout: each element is zeroed with probability `threshold` / 65,536, drawn from `seed`; the rest are scaled."""

    threshold: int = 0
    seed: int = 0


ONE_IMAGE, NO_DROP = Sets(1, 1), Drop()


class Layer(ctypes.Structure):
    """`Layer` in layer.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "pixels", "vectors", "groups", "set_images")),
        ("eps", ctypes.c_float),
        ("relu", ctypes.c_int32),
        ("drop", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("seed", ctypes.c_uint64),
        ("momentum", ctypes.c_float),
    )


def layer_of(x: Tensor, sets: Sets, eps: float, relu: bool, drop: Drop, momentum: float = 0.0) -> Layer:
    num_images, num_channels, height, width = x.shape
    return Layer(
        images=num_images,
        pixels=height * width,
        vectors=num_channels // LANES,
        groups=sets.num_groups,
        set_images=min(sets.num_images, num_images),
        eps=eps,
        relu=relu,
        drop=drop.threshold,
        threads=torch.get_num_threads(),
        seed=drop.seed,
        momentum=momentum,
    )


def can_normalize(x: Tensor) -> bool:
    """Whether there is a kernel for it: on the CPU, channels_last [N, 16 or 32, H, W] in float32 or bfloat16."""
    return (
        x.dtype in DTYPES
        and x.dim() == 4
        and x.device.type == "cpu"
        and x.shape[1] in range(LANES, MOST_CHANNELS + 1, LANES)
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and library() is not None
    )


def normalize(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    sets: Sets,
    eps: float,
    *,
    running: Running | None = None,
    relu: bool = False,
    drop: Drop = NO_DROP,
) -> Tensor:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and the biased σ² of the set an element belongs to.

    x as `can_normalize` allows it -> the same shape, dtype and layout. weight γ and bias β: float32 [C], 1 and 0 where
    None. `running` moves as in `nn.BatchNorm2d`, once for each set's images; then sets are of one channel. Dropout only
    behind a ReLU. An image's sums are its own: the number of threads changes no bit.
    """
    out: Tensor = _Normalize.apply(x, weight, bias, sets, eps, running, relu, drop)
    return out


def moments(x: Tensor, sets: Sets) -> tuple[Tensor, Tensor]:
    """The mean and the biased variance of each set, float32 [sets]: part by part, in each group by group."""
    layer = layer_of(x, sets, eps=0.0, relu=False, drop=NO_DROP)
    mean, var = torch.empty(2, -(-x.shape[0] // layer.set_images) * sets.num_groups)
    call("norm_moments", layer, x, mean, var, torch.empty(2 * x.shape[0] * x.shape[1]))
    return mean, var


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        sets: Sets,
        eps: float,
        running: Running | None,
        relu: bool,
        drop: Drop,
    ) -> Tensor:
        num_images, num_channels = x.shape[:2]
        layer = layer_of(x, sets, eps, relu, drop, running.momentum if running else 0.0)
        weight = torch.ones(num_channels) if weight is None else weight
        bias = torch.zeros(num_channels) if bias is None else bias
        num_parts = -(-num_images // layer.set_images)
        num_sets = num_parts * sets.num_groups
        statistics = torch.empty(2, num_sets)
        scratch = torch.empty(2 * num_images * num_channels + num_sets)
        y = torch.empty_like(x)
        kernels = library()
        assert kernels is not None, "can_normalize was asked before"
        kernels.norm_forward(
            ctypes.byref(layer),
            x.dtype == torch.bfloat16,
            *pointers(x, weight, bias, y, statistics, scratch),
            *(pointers(running.mean, running.var) if running else (None, None)),
        )
        if running:
            running.num_batches.add_(num_parts)
        # Where y is 0, no gradient comes through. Without dropout it is not read, and may be changed in place.
        ctx.save_for_backward(x, y if drop.threshold else x, weight, bias, statistics)
        ctx.layer = layer
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, y, weight, bias, statistics = ctx.saved_tensors
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        d_x, d_affine = torch.empty_like(x), torch.empty(2, x.shape[1])
        scratch = torch.empty(2 * x.shape[0] * x.shape[1] + statistics.numel())
        kernels = library()
        assert kernels is not None
        kernels.norm_backward(
            ctypes.byref(ctx.layer),
            x.dtype == torch.bfloat16,
            *pointers(x, y, d_y, statistics, weight, bias, d_x, d_affine, scratch),
        )
        d_weight, d_bias = (d_affine[i] if ctx.needs_input_grad[1 + i] else None for i in range(2))
        return d_x, d_weight, d_bias, None, None, None, None, None


def pointers(*tensors: Tensor | None) -> tuple[ctypes.c_void_p | None, ...]:
    """What the kernels take for tensors; null for None."""
    return tuple(None if tensor is None else ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)


def call(name: str, layer: Layer, x: Tensor, *tensors: Tensor) -> None:
    """The kernel of that name; `can_normalize` was asked before."""
    getattr(library(), name)(ctypes.byref(layer), x.dtype == torch.bfloat16, *pointers(x, *tensors))

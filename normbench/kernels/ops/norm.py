"""A norm with the ReLU and the dropout behind it."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from normbench.kernels.graph import Kernel
from normbench.kernels.op import LANES, Images, Plan
from normbench.kernels.structs import NormDesc

MOST_CHANNELS = 32


class Sets(NamedTuple):
    """What a mean and a variance are taken over: `num_images` neighbouring images and one of `num_groups` equal groups
    of neighbouring channels, at all pixels. The last images may be fewer."""

    num_images: int
    num_groups: int


class Running(NamedTuple):
    """Statistics [C] that a layer stores, how far each batch moves them, and the count of batches, int64 []."""

    mean: Tensor
    var: Tensor
    momentum: float
    num_batches: Tensor


ONE_IMAGE = Sets(1, 1)


def layer_of(images: Images, sets: Sets, eps: float, relu: bool, drop: int, momentum: float = 0.0) -> NormDesc:
    num_images, num_channels, height, width = images.shape
    return NormDesc(
        num_images=num_images,
        pixels=height * width,
        vectors=num_channels // LANES,
        groups=sets.num_groups,
        region_images=min(sets.num_images, num_images),
        eps=eps,
        relu=relu,
        drop=drop,
        momentum=momentum,
        bf16=images.dtype == torch.bfloat16,
    )


def can_normalize(images: Images) -> bool:
    """Whether there are kernels for norms of as many channels: 16 or 32."""
    return images.shape[1] in range(LANES, MOST_CHANNELS + 1, LANES)


def normalize(
    images: Images,
    weight: Tensor | None,
    bias: Tensor | None,
    sets: Sets,
    eps: float,
    *,
    running: Running | None = None,
    relu: bool = False,
    drop: int = 0,
) -> Kernel:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and the biased σ² of the set an element belongs to.

    For images as `can_normalize` allows them -> the same shape and dtype. weight γ and bias β: float32 [C], 1 and 0
    where None. `running` moves as in `nn.BatchNorm2d`, once for each set's images; then sets are of one channel.
    Dropout, only behind a ReLU: each element is zeroed with probability `drop` / 65,536, drawn from the kernel's seed,
    and the rest are scaled. An image's sums are its own: the number of threads changes no bit.
    """
    shape, dtype, _ = images
    momentum = running.momentum if running else 0.0
    buffers = (running.mean, running.var, running.num_batches) if running else ()
    plan = _plan(shape, dtype, sets, eps, relu, drop, momentum, len(buffers))
    return Kernel(plan, affine(shape[1], weight, bias), buffers)


@cache
def _plan(
    shape: tuple[int, ...],
    dtype: torch.dtype,
    sets: Sets,
    eps: float,
    relu: bool,
    drop: int,
    momentum: float,
    num_buffers: int,
) -> Plan:
    images = Images(shape, dtype)
    layer = layer_of(images, sets, eps, relu, drop, momentum)
    several = layer.region_images > 1
    per_image = 2 * shape[0] * shape[1]
    return Plan(
        "batch_norm" if several else "norm",
        layer,
        images,
        images,
        num_parameters=2,
        num_buffers=num_buffers,
        kept=4 * 2 * layer.num_regions,
        scratch=4 * (per_image + 2 * layer.num_regions),
        # Where y is 0, no gradient comes through. Without dropout it is not read, and may be changed in place.
        reads_y=drop > 0,
        reads_several=several,
    )


def affine(num_channels: int, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    return (
        torch.ones(num_channels) if weight is None else weight,
        torch.zeros(num_channels) if bias is None else bias,
    )

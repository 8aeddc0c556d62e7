"""Norms by mean and variance over a reduction region, with ReLU and dropout as epilogue.

In all of them γ and β are float32 [C], x and y have the same shape and dtype, and statistics are float32. Each image is
summed by itself: the number of threads changes no bit.
"""

from functools import cache
from typing import NamedTuple

import torch

from normbench.kernels.op import LANES, NO_EPILOGUE, Epilogue, Op, TensorDesc
from normbench.kernels.structs import NormDesc


class Region(NamedTuple):
    """The elements that share a mean and a variance: `num_images` neighbouring images, all pixels, and one of
    `num_groups` equal groups of neighbouring channels. The last region of a batch may have fewer images."""

    num_images: int
    num_groups: int


IMAGE = Region(num_images=1, num_groups=1)


def norm_desc(x: TensorDesc, region: Region, epilogue: Epilogue, eps: float, momentum: float = 0.0) -> NormDesc:
    """The descriptor of a norm for the C++ kernels. x has a multiple of LANES channels."""
    num_images, num_channels, height, width = x.shape
    return NormDesc(
        num_images=num_images,
        pixels=height * width,
        vectors=num_channels // LANES,
        groups=region.num_groups,
        region_images=min(region.num_images, num_images),
        eps=eps,
        relu=epilogue.relu,
        drop=epilogue.drop,
        momentum=momentum,
        bf16=x.dtype == torch.bfloat16,
    )


@cache
def normalize(
    x: TensorDesc,
    region: Region,
    eps: float,
    epilogue: Epilogue = NO_EPILOGUE,
    momentum: float | None = None,
) -> Op | None:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and the biased σ² of the region of an element.

    With `momentum`, for regions of one channel, the op has the buffers running mean [C], running variance [C] and count
    of batches (int64), which move as those of `nn.BatchNorm2d`, once for each region's images.
    None unless C is a multiple of 16; and for dropout without ReLU.
    """
    num_images, num_channels, *_ = x.shape
    if num_channels % LANES or (epilogue.drop and not epilogue.relu):
        return None
    desc = norm_desc(x, region, epilogue, eps, momentum or 0.0)
    across_images = desc.region_images > 1
    return Op(
        "batch_norm" if across_images else "norm",
        desc,
        x,
        TensorDesc(x.shape, x.dtype),
        num_parameters=2,
        num_buffers=0 if momentum is None else 3,
        saved_bytes=4 * 2 * desc.num_regions,
        workspace_bytes=4 * 2 * (num_images * num_channels + desc.num_regions),
        # The ReLU's mask is recomputed from x, that of dropout is read off y: y is 0 where no gradient comes through.
        backward_reads_y=epilogue.drop > 0,
        reads_whole_batch=across_images,
    )

"""Batch renormalization in training, with ReLU and dropout as epilogue."""

from functools import cache
from typing import NamedTuple

from normbench.kernels.op import LANES, NO_EPILOGUE, Epilogue, Op, TensorDesc
from normbench.kernels.ops.norm import Region, norm_desc
from normbench.kernels.structs import RenormDesc


class Bounds(NamedTuple):
    """The bounds of r and d grow linearly from 1 and 0, at `warmup_steps`, to `r_max` at step `r_steps` and `d_max` at
    step `d_steps`."""

    r_max: float
    d_max: float
    warmup_steps: int
    r_steps: int
    d_steps: int


@cache
def renormalize(
    x: TensorDesc, bounds: Bounds, eps: float, momentum: float, epilogue: Epilogue = NO_EPILOGUE
) -> Op | None:
    """y = dropout(relu(γ ((x − μ) / σ r + d) + β)), with μ and σ of the batch, and r and d as in `norms.renorm`.

    Parameters: γ and β, float32 [C]. Buffers: running mean and running standard deviation, float32 [C], and the count
    of steps, int64 []; each forward pass moves them once. None unless C is a multiple of 16; and for dropout
    without ReLU.
    """
    num_images, num_channels, *_ = x.shape
    if num_channels % LANES or (epilogue.drop and not epilogue.relu):
        return None
    norm = norm_desc(x, Region(num_images, num_channels), epilogue, eps, momentum)
    return Op(
        "renorm",
        RenormDesc(norm, *bounds),
        x,
        TensorDesc(x.shape, x.dtype),
        num_parameters=2,
        num_buffers=3,
        saved_bytes=4 * 6 * num_channels,  # μ, 1 / σ, γ r, γ d + β, r, d
        workspace_bytes=4 * 2 * (num_images * num_channels + num_channels),
        backward_reads_y=epilogue.drop > 0,
        reads_whole_batch=True,
    )

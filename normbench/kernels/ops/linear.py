"""A linear layer on images of one pixel, with arithmetic in float32: packing for bfloat16 would take longer."""

from functools import cache

import torch

from normbench.kernels.op import LANES, Op, TensorDesc
from normbench.kernels.structs import LinearDesc

MAX_WEIGHTS = 2**16  # each image of a batch reads all of them: PyTorch's matrix product is faster with more
MAX_PARTS = 16  # partial sums of the parameters' gradients: the batch is divided in so many parts at most


@cache
def linear(x: TensorDesc, out_features: int) -> Op | None:
    """y = w x + b, [N, C, 1, 1] -> float32 [N, O, 1, 1]; w [O, C] or [O, C, 1, 1] and b [O] are contiguous float32.

    None unless C is a multiple of 16 and C O at most MAX_WEIGHTS. The number of threads changes no bit.
    """
    num_images, in_features, *size = x.shape
    if size != [1, 1] or in_features % LANES or in_features * out_features > MAX_WEIGHTS:
        return None
    y = TensorDesc((num_images, out_features, 1, 1), torch.float32)
    workspace = 4 * MAX_PARTS * (in_features + 1) * out_features
    desc = LinearDesc(num_images, in_features, out_features, x.dtype == torch.bfloat16)
    return Op("linear", desc, x, y, num_parameters=2, workspace_bytes=workspace)

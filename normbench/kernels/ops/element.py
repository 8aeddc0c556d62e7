"""Layer norm of whole images with a weight and a bias for each element, with what follows it."""

from functools import cache

import torch
from torch import Tensor

from normbench.kernels.graph import Kernel
from normbench.kernels.op import Images, Plan
from normbench.kernels.ops.norm import ONE_IMAGE, layer_of


def normalize_elements(
    images: Images, weight: Tensor, bias: Tensor, eps: float, *, relu: bool = False, drop: int = 0
) -> Kernel:
    """y = dropout(relu(γ (x − μ) / sqrt(σ² + eps) + β)), with μ and σ² of an image; γ and β are [C, H, W].

    For images as `can_normalize` allows them -> the same shape and dtype. Dropout only behind a ReLU.
    """
    shape, dtype, _ = images
    in_order_of_memory = tuple(part.permute(1, 2, 0).contiguous() for part in (weight, bias))
    plan = _plan(shape, dtype, eps, relu, drop)
    return Kernel(plan, in_order_of_memory)


@cache
def _plan(shape: tuple[int, ...], dtype: torch.dtype, eps: float, relu: bool, drop: int) -> Plan:
    images = Images(shape, dtype)
    layer = layer_of(images, ONE_IMAGE, eps, relu, drop)
    # Where y is 0, no gradient comes through. Without a ReLU it is not read, and may be changed in place.
    kept = 4 * 2 * shape[0]
    return Plan("element_norm", layer, images, images, num_parameters=2, kept=kept, reads_y=relu, reads_several=True)

"""A linear layer on images of one pixel, in float32: to prepare so little arithmetic for bfloat16 takes longer."""

from functools import cache

import torch
from torch import Tensor

from normbench.kernels.graph import Kernel
from normbench.kernels.op import LANES, Images, Plan
from normbench.kernels.structs import LinearDesc

PARTS = 16  # at most, see graph.h


def linear(images: Images, weight: Tensor, bias: Tensor | None) -> Kernel | None:
    """y = w x + b: float32 [N, C, 1, 1] -> float32 [N, O, 1, 1]. The number of threads changes no bit.

    None where there is no kernel: unless weight is float32 [O, C, 1, 1], bias float32 [O] or None, and C is a multiple
    of 16.
    """
    shape, dtype, _ = images
    num_images, inputs, *size = shape
    outputs = len(weight)
    bias = torch.zeros(outputs) if bias is None else bias.contiguous()
    known = size == [1, 1] and inputs % LANES == 0 and weight.shape == (outputs, inputs, 1, 1)
    if not known or not dtype == weight.dtype == bias.dtype == torch.float32 or not weight.is_cpu:
        return None
    return Kernel(_plan(num_images, inputs, outputs), (weight.contiguous(), bias))


@cache
def _plan(num_images: int, inputs: int, outputs: int) -> Plan:
    x, y = (Images((num_images, channels, 1, 1), torch.float32) for channels in (inputs, outputs))
    scratch = 4 * PARTS * (inputs + 1) * outputs
    return Plan("linear", LinearDesc(num_images, inputs, outputs), x, y, num_parameters=2, scratch=scratch)

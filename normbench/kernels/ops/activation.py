"""Activation functions by themselves, with dropout."""

import math
from functools import cache

import torch

from normbench.kernels.op import LANES, Op, TensorDesc
from normbench.kernels.structs import ActivationDesc

FUNCTIONS = ("identity", "relu", "relu6", "leaky_relu", "elu", "silu", "hardswish", "gelu", "gelu_tanh")
"""In the order of activation.cpp."""


@cache
def activate(x: TensorDesc, function: str, slope: float = 0.0, drop: int = 0) -> Op | None:
    """y = dropout(f(x)), f being one of FUNCTIONS, computed in float32 and rounded once.

    slope: of leaky_relu for negative x, and of elu at 0 from below. drop: of 65,536 elements, how many are zeroed in
    the mean. None unless an image has a multiple of 16 elements.
    """
    count = math.prod(x.shape[1:])
    if count % LANES:
        return None
    desc = ActivationDesc(count, FUNCTIONS.index(function), slope, drop, x.dtype == torch.bfloat16)
    return Op("activation", desc, x, TensorDesc(x.shape, x.dtype))

"""Passes over images and activations made as one, in C++ compiled where a compiler is at hand: never required."""

from normbench.kernels.graph import Branches, Kernel, Row, images_of, run
from normbench.kernels.images import can_scale, scale_images
from normbench.kernels.muon import can_orthogonalize, muon_step
from normbench.kernels.op import Images
from normbench.kernels.ops.conv import convolve
from normbench.kernels.ops.element import normalize_elements
from normbench.kernels.ops.linear import linear
from normbench.kernels.ops.norm import Running, Sets, can_normalize, normalize
from normbench.kernels.ops.per_image import (
    dynamic_tanh,
    evo_norm,
    filter_response,
    identity,
    layer_norm,
    root_mean_square,
)
from normbench.kernels.ops.pool import max_pool, mean_of_pixels
from normbench.kernels.ops.renorm import Bounds, renormalize
from normbench.kernels.sgd import can_descend, descend

__all__ = [
    "Bounds",
    "Branches",
    "Images",
    "Kernel",
    "Row",
    "Running",
    "Sets",
    "can_descend",
    "can_normalize",
    "can_orthogonalize",
    "can_scale",
    "convolve",
    "descend",
    "dynamic_tanh",
    "evo_norm",
    "filter_response",
    "identity",
    "images_of",
    "layer_norm",
    "linear",
    "max_pool",
    "mean_of_pixels",
    "muon_step",
    "normalize",
    "normalize_elements",
    "renormalize",
    "root_mean_square",
    "run",
    "scale_images",
]

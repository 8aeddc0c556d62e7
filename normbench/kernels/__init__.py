"""Passes over images and activations made as one, in C++ compiled where a compiler is at hand: never required."""

from normbench.kernels.chain import Branches, Kernel, Row, images_of, run
from normbench.kernels.conv import convolve
from normbench.kernels.element import normalize_elements
from normbench.kernels.images import can_scale, scale_images
from normbench.kernels.linear import linear
from normbench.kernels.muon import can_orthogonalize, muon_step
from normbench.kernels.norm import Running, Sets, can_normalize, moments, normalize
from normbench.kernels.per_image import (
    dynamic_tanh,
    evo_norm,
    filter_response,
    identity,
    layer_norm,
    root_mean_square,
)
from normbench.kernels.plan import Images
from normbench.kernels.pool import max_pool, mean_of_pixels
from normbench.kernels.sgd import can_descend, descend

__all__ = [
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
    "moments",
    "muon_step",
    "normalize",
    "normalize_elements",
    "root_mean_square",
    "run",
    "scale_images",
]

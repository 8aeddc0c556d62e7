"""Norms of each image or each pixel by itself, with ReLU and dropout as epilogue; two norms take dropout only.

x and y have the same shape and dtype; parameters are contiguous float32 [C]. All are computed in float32 and rounded
once. Each image is summed by itself: the number of threads changes no bit. None unless C is a multiple of 16 up to
MAX_CHANNELS; and for ReLU after `filter_response` and `evo_norm`, which have an activation of their own.
"""

from functools import cache

from normbench.kernels.op import LANES, NO_EPILOGUE, Epilogue, Op, TensorDesc
from normbench.kernels.ops.norm import IMAGE, Region, norm_desc

MAX_CHANNELS = 2048  # per_image_norm.h: 16 kMaxVectors


def layer_norm(x: TensorDesc, eps: float, epilogue: Epilogue = NO_EPILOGUE) -> Op | None:
    """y = γ (x − μ) / sqrt(σ² + eps) + β, with μ and σ² of the channels of a pixel. Parameters: γ, β."""
    return _op("layer_norm", x, epilogue, num_parameters=2, eps=eps)


def root_mean_square(x: TensorDesc, eps: float, epilogue: Epilogue = NO_EPILOGUE) -> Op | None:
    """y = γ x / sqrt(ρ + eps) + β, with ρ the mean of x² over the channels of a pixel. Parameters: γ, β."""
    return _op("root_mean_square", x, epilogue, num_parameters=2, eps=eps)


def filter_response(x: TensorDesc, eps: float, epilogue: Epilogue = NO_EPILOGUE) -> Op | None:
    """y = max(γ x / sqrt(ν + eps) + β, τ), with ν the mean of x² over an image's channel. Parameters: γ, β, τ."""
    return None if epilogue.relu else _op("filter_response", x, epilogue, num_parameters=3, eps=eps)


def evo_norm(x: TensorDesc, num_groups: int, eps: float, epilogue: Epilogue = NO_EPILOGUE) -> Op | None:
    """y = γ x sigmoid(v x) / sqrt(σ² + eps) + β, with the biased σ² of an image's group. Parameters: γ, β, v."""
    return None if epilogue.relu else _op("evo_norm", x, epilogue, Region(1, num_groups), num_parameters=3, eps=eps)


def channel_affine(x: TensorDesc, epilogue: Epilogue = NO_EPILOGUE) -> Op | None:
    """y = γ x + β. Parameters: γ, β."""
    return _op("channel_affine", x, epilogue, num_parameters=2)


def dynamic_tanh(x: TensorDesc, epilogue: Epilogue = NO_EPILOGUE) -> Op | None:
    """y = γ tanh(α x) + β. Parameters: γ, β, α."""
    return _op("dynamic_tanh", x, epilogue, num_parameters=3)


@cache
def _op(
    name: str, x: TensorDesc, epilogue: Epilogue, region: Region = IMAGE, *, num_parameters: int, eps: float = 0.0
) -> Op | None:
    num_images, num_channels, *_ = x.shape
    if num_channels % LANES or num_channels > MAX_CHANNELS:
        return None
    return Op(
        name,
        norm_desc(x, region, epilogue, eps),
        x,
        TensorDesc(x.shape, x.dtype),
        num_parameters=num_parameters,
        workspace_bytes=4 * num_parameters * num_images * num_channels,
    )

"""Pooling layers as ops."""

from typing import Any

from torch import nn

from normbench.kernels.functions import PixelMean
from normbench.kernels.layers.binding import Lowered, bind, pair
from normbench.kernels.op import NO_EPILOGUE, Epilogue, TensorDesc
from normbench.kernels.ops.pool import Window, avg_pool, global_avg_pool, max_pool


def lower_max_pool(layer: nn.MaxPool2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    window = _window(layer)
    plain = pair(layer.dilation) == (1, 1) and not layer.return_indices and not layer.ceil_mode
    return bind(max_pool(x, window)) if window and plain and epilogue == NO_EPILOGUE else None


def lower_average_pool(layer: nn.AvgPool2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    window = _window(layer)
    counts_all = layer.count_include_pad or pair(layer.padding) == (0, 0)
    if window is None or not counts_all or layer.ceil_mode or layer.divisor_override or epilogue != NO_EPILOGUE:
        return None
    if x.shape[2:] == (window.kernel, window.kernel) and not window.padding:
        return bind(global_avg_pool(x))
    return bind(avg_pool(x, window))


def lower_adaptive_pool(layer: nn.AdaptiveAvgPool2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    """The mean of all pixels; the op returns it in float32 for bfloat16 images too."""
    if epilogue != NO_EPILOGUE or pair(layer.output_size) != (1, 1):
        return None
    return bind(global_avg_pool(x))


def lower_pixel_mean(layer: PixelMean, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    """As `lower_adaptive_pool`."""
    return bind(global_avg_pool(x)) if epilogue == NO_EPILOGUE else None


def _window(layer: nn.MaxPool2d | nn.AvgPool2d) -> Window | None:
    """None for windows that are not square."""
    sizes: list[Any] = [pair(setting) for setting in (layer.kernel_size, layer.stride, layer.padding)]
    if any(len(size) != 2 or size[0] != size[1] for size in sizes):
        return None
    return Window(*(size[0] for size in sizes))

"""Convolutions and linear layers as ops."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from normbench.kernels.layers.binding import (
    Lowered,
    autocast_dtype,
    bind,
    contiguous_strides,
    fits,
    is_float32,
    or_constant,
)
from normbench.kernels.layers.depthwise import lower_depthwise
from normbench.kernels.op import DTYPES, NO_EPILOGUE, Epilogue, TensorDesc
from normbench.kernels.ops.conv import convolve
from normbench.kernels.ops.linear import linear
from normbench.norms.weight_standardization import StandardizedConv2d


def lower_conv(layer: nn.Conv2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    weight = layer.weight
    if weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last):
        return _lower_filters(layer, x, epilogue, lambda: layer.weight, weight.stride())
    return _lower_filters(layer, x, epilogue, lambda: layer.weight.contiguous(), contiguous_strides(weight))


def lower_standardized_conv(layer: StandardizedConv2d, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower_filters(layer, x, epilogue, layer.standardized, contiguous_strides(layer.weight))


def _lower_filters(
    layer: nn.Conv2d, x: TensorDesc, epilogue: Epilogue, filters: Callable[[], Tensor], strides: tuple[int, ...]
) -> Lowered | None:
    """A conv with the weight that `filters` gives, of these strides."""
    if layer.groups > 1:
        return lower_depthwise(layer, x, epilogue, filters, strides)
    dtype = autocast_dtype() or torch.float32
    if epilogue != NO_EPILOGUE or dtype not in DTYPES or not _is_plain_conv(layer):
        return None
    if not all(is_float32(stored) for stored in layer.parameters(recurse=False)):
        return None
    bias = or_constant(layer, "bias", torch.zeros(layer.out_channels))
    is_linear = x.dtype == torch.float32 and x.shape[1:] == (layer.in_channels, 1, 1) and layer.kernel_size == (1, 1)
    if is_linear and (op := linear(x, layer.out_channels)):
        return bind(op, lambda: (filters().contiguous(), bias()))
    op = convolve(x, layer.weight.shape, strides, dtype, layer.stride[0])
    return bind(op, lambda: (filters(), bias()))


def _is_plain_conv(layer: nn.Conv2d) -> bool:
    """Whether it has one group, no dilation, one stride, and the zero padding that keeps the size at stride 1."""
    plain = layer.dilation == (1, 1) and layer.groups == 1 and layer.padding_mode == "zeros"
    height, width = layer.kernel_size
    padded = layer.padding in ("same", (height // 2, width // 2))
    return plain and padded and len(set(layer.stride)) == 1 and isinstance(layer.stride, tuple)


def lower_linear(layer: nn.Linear, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    """A linear layer on vectors [N, C], as images of one pixel. Its output is float32 under autocast too."""
    known = x.dtype == torch.float32 if autocast_dtype() is None else autocast_dtype() == torch.bfloat16
    if epilogue != NO_EPILOGUE or not known or not fits(layer, x, layer.in_features):
        return None
    op = linear(x, layer.out_features)
    bias = or_constant(layer, "bias", torch.zeros(layer.out_features))
    return bind(op, lambda: (layer.weight, bias()))

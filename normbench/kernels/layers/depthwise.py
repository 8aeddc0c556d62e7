"""Depthwise convolutions as ops."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from normbench.kernels.layers.binding import Lowered, autocast_dtype, bind, is_float32, or_constant
from normbench.kernels.op import NO_EPILOGUE, Epilogue, TensorDesc
from normbench.kernels.ops.depthwise import convolve_depthwise


def lower_depthwise(
    layer: nn.Conv2d, x: TensorDesc, epilogue: Epilogue, filters: Callable[[], Tensor], strides: tuple[int, ...]
) -> Lowered | None:
    """A conv with a filter for each channel, with the weight that `filters` gives, of these strides."""
    plain = layer.in_channels == layer.out_channels and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
    padded = layer.padding == (1, 1) or (layer.padding == "same" and layer.stride == (1, 1))
    stored = all(is_float32(part) for part in layer.parameters(recurse=False))
    typed = x.dtype == (autocast_dtype() or torch.float32)
    if epilogue != NO_EPILOGUE or not (plain and padded and stored and typed) or len(set(layer.stride)) > 1:
        return None
    op = convolve_depthwise(x, layer.weight.shape, strides, layer.stride[0])
    bias = or_constant(layer, "bias", torch.zeros(layer.out_channels))
    return bind(op, lambda: (filters(), bias()))

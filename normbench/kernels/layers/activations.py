"""Activation functions as ops, where they are not the epilogue of the layer in front of them."""

from torch import nn

from normbench.kernels.layers.binding import Lowered, bind
from normbench.kernels.op import Epilogue, TensorDesc
from normbench.kernels.ops.activation import activate


def lower_relu(layer: nn.ReLU, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower(x, epilogue, "relu")


def lower_relu6(layer: nn.ReLU6, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower(x, epilogue, "relu6")


def lower_leaky_relu(layer: nn.LeakyReLU, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower(x, epilogue, "leaky_relu", layer.negative_slope)


def lower_elu(layer: nn.ELU, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower(x, epilogue, "elu", layer.alpha)


def lower_silu(layer: nn.SiLU, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower(x, epilogue, "silu")


def lower_hardswish(layer: nn.Hardswish, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower(x, epilogue, "hardswish")


def lower_gelu(layer: nn.GELU, x: TensorDesc, epilogue: Epilogue) -> Lowered | None:
    return _lower(x, epilogue, "gelu_tanh" if layer.approximate == "tanh" else "gelu")


def lower_dropout(x: TensorDesc, drop: int) -> Lowered | None:
    """Dropout by itself, which zeroes `drop` of 65,536 elements in the mean."""
    return bind(activate(x, "identity", drop=drop))


def _lower(x: TensorDesc, epilogue: Epilogue, function: str, slope: float = 0.0) -> Lowered | None:
    return None if epilogue.relu else bind(activate(x, function, slope, epilogue.drop))

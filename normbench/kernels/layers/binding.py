"""What every lowering uses: an op with the tensors of its layer, and what kernels can read of a layer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from normbench.kernels.eager import is_plain
from normbench.kernels.op import Epilogue, Op, TensorDesc

Tensors = tuple[Tensor, ...]


def no_tensors() -> Tensors:
    return ()


class Lowered(NamedTuple):
    """A layer as an op, with functions that give the op's current tensors whenever it runs."""

    op: Op
    parameters: Callable[[], Tensors] = no_tensors
    buffers: Callable[[], Tensors] = no_tensors


def bind(
    op: Op | None, parameters: Callable[[], Tensors] = no_tensors, buffers: Callable[[], Tensors] = no_tensors
) -> Lowered | None:
    """The op with its tensors; None without an op."""
    return None if op is None else Lowered(op, parameters, buffers)


Lowering = Callable[[Any, TensorDesc, Epilogue], Lowered | None]
"""(layer, descriptor of its input, epilogue) -> the layer with this epilogue as one op, or None if no op computes it.

A lowering has no side effects, and it reads only settings of the layer and descriptors of the layer's tensors: what it
finds is used until one of these changes.
"""


def autocast_dtype() -> torch.dtype | None:
    """The type that autocast asks convolutions on the CPU to compute in; None without autocast."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None


def fits(layer: nn.Module, x: TensorDesc, num_channels: int) -> bool:
    """Whether x has the channels of the layer, and the kernels can read and write all that the layer stores.

    The kernels get pointers only: parameters and statistics must be contiguous float32, and counts int64, on the CPU.
    """
    stored = (*layer._parameters.values(), *layer._buffers.values())
    return x.shape[1] == num_channels and all(
        part is None or (_is_stored_for_kernels(part) and part.is_contiguous()) for part in stored
    )


def _is_stored_for_kernels(part: Tensor) -> bool:
    return is_plain(part) and part.dtype in (torch.float32, torch.int64) and part.is_cpu


def is_float32(part: Tensor) -> bool:
    """Whether the kernels can read the tensor as float32 numbers."""
    return is_plain(part) and part.dtype == torch.float32 and part.is_cpu


def affine_of(layer: nn.Module, x: TensorDesc) -> Callable[[], Tensors]:
    """γ and β [C]; 1 and 0 for a layer without them."""
    weight = or_constant(layer, "weight", torch.ones(x.shape[1]))
    bias = or_constant(layer, "bias", torch.zeros(x.shape[1]))
    return lambda: (weight(), bias())


def or_constant(layer: nn.Module, name: str, constant: Tensor) -> Callable[[], Tensor]:
    """Gives the parameter of this name; `constant` for a layer without it."""
    if getattr(layer, name, None) is None:
        return lambda: constant
    return lambda: layer._parameters[name]  # type: ignore[return-value]


def tensors_of(layer: nn.Module, *names: str) -> Callable[[], Tensors]:
    return lambda: tuple(getattr(layer, name) for name in names)


def contiguous_strides(weight: Tensor) -> tuple[int, ...]:
    return torch.empty(weight.shape, device="meta").stride()


def pair(value: Any) -> Any:
    """(height, width) of a setting that may be one number for both."""
    return value if isinstance(value, tuple) else (value, value)

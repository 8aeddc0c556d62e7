"""Batches of CIFAR's Python version, which are pickles: read without importing or calling anything that they name.

Format: https://www.cs.toronto.edu/~kriz/cifar.html. A batch is a pickled dict with b"data" (uint8 [n, 3072], the
red, green and blue plane of each image, row by row) and n integers under b"labels", b"fine_labels" or b"coarse_labels".
"""

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from normbench.errors import DataError
from normbench.text import reason


def read_batch(where: str, content: bytes, labels: bytes) -> tuple[NDArray[np.uint8], list[int]]:
    """(data, the integers under the key `labels`). Raises DataError that names `where`."""
    batch = _unpickle(where, content)
    data, found = batch.get(b"data"), batch.get(labels)
    values = getattr(data, "values", None) if isinstance(data, _Array) else None
    if values is None or not isinstance(found, list) or not all(isinstance(label, int) for label in found):
        raise DataError(f"{where}: expected data uint8 [n, 3072] and n {labels.decode()}")
    return values, found


def read_names(where: str, content: bytes, key: bytes) -> tuple[str, ...]:
    """The names of the classes, in the order of their labels. Raises DataError that names `where`."""
    names = _unpickle(where, content).get(key)
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"{where}: no list of {key.decode()} in it")
    return tuple(name.decode(errors="replace") for name in names)


class _Dtype:
    """Stands in for numpy.dtype while unpickling. Accepts uint8 only."""

    def __init__(self, spec: bytes | str, *_: object) -> None:
        name = spec.decode("ascii") if isinstance(spec, bytes) else spec
        if name != "u1":
            raise pickle.UnpicklingError(f"an array of type {name!r}")

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment, which mean nothing for single bytes."""


class _Array:
    """Stands in for numpy.ndarray while unpickling: NumPy's own class does not check the state in a pickle."""

    values: NDArray[np.uint8]

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _, shape, _, by_columns, content = state
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_columns else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # the name in NumPy 2
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _Unpickler(pickle.Unpickler):
    """Builds uint8 arrays and plain containers only: it imports and calls nothing beyond the names in _ALLOWED."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"a reference to {module}.{name}") from None


def _unpickle(where: str, content: bytes) -> dict[bytes, Any]:
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a malformed pickle may raise anything at all
        raise DataError(f"{where}: not a CIFAR batch: {reason(error)}") from error
    if not isinstance(batch, dict):
        raise DataError(f"{where}: not a CIFAR batch: holds a {type(batch).__name__} instead of a dict")
    return batch

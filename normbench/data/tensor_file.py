"""Images and labels in a safetensors file, read and written tensor by tensor: so a data set is in memory once.

The library's functions hold the whole file beside its tensors, or map it into memory. In a mapped file, what another
program writes later would change the tensors, and cutting the file would end the process.
"""

import json
import math
from collections.abc import Mapping
from io import BufferedIOBase
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DTYPES: dict[str, np.dtype[Any]] = {"U8": np.dtype("u1"), "I64": np.dtype("<i8")}
MAX_HEADER_BYTES = 2**24


def read_tensors(file: BufferedIOBase, file_bytes: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, each with memory of its own, and the metadata.

    Raises ValueError for anything but a safetensors file of `file_bytes` bytes, with tensors of DTYPES and metadata.
    """
    size = int.from_bytes(file.read(8), "little")
    if size > MAX_HEADER_BYTES:
        raise ValueError("its header is too large")
    metadata, places = _parsed(file.read(size))
    tensors: dict[str, Tensor] = {}
    end, content_bytes = 0, file_bytes - 8 - size
    for start, stop, name, shape, dtype in places:
        # What is allocated is bounded by the size of the file.
        if start != end or not start <= stop <= content_bytes or stop - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} is not where its header says")
        array, end = np.empty(shape, dtype), stop
        if file.readinto(_bytes_of(array)) != array.nbytes:
            raise ValueError(f"{name} is cut off")
        tensors[name] = torch.from_numpy(array)
    if end != content_bytes:
        raise ValueError("it holds more than its tensors")
    return tensors, metadata


def write_tensors(file: BufferedIOBase, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes contiguous tensors of DTYPES. Those of the widest numbers come first, which aligns all."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    arrays = sorted(
        ((name, tensor.numpy()) for name, tensor in tensors.items()), key=lambda item: (-item[1].itemsize, item[0])
    )
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in arrays:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": array.shape, "data_offsets": (start, end)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, array in arrays:
        file.write(_bytes_of(array))


class _Place(NamedTuple):
    """Where the bytes of a tensor are, counted from the end of the header."""

    start: int
    stop: int
    name: str
    shape: list[int]
    dtype: np.dtype[Any]


def _parsed(text: bytes) -> tuple[dict[str, str], list[_Place]]:
    """The metadata, and the places of the tensors in their order. Raises ValueError for another header."""
    header = json.loads(text)
    try:
        metadata = header.pop("__metadata__")
        places = []
        for name, entry in header.items():
            start, stop = map(int, entry["data_offsets"])
            places.append(_Place(start, stop, name, [int(side) for side in entry["shape"]], DTYPES[entry["dtype"]]))
        if not all(isinstance(value, str) for value in metadata.values()):
            raise TypeError("metadata are text")
    except (AttributeError, KeyError, TypeError, OverflowError) as error:
        raise ValueError("its header is not that of a data set") from error
    return metadata, sorted(places, key=lambda place: place.start)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data

"""NumPy arrays of images and labels from strangers: their header is checked before a byte of content is read."""

import math
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from normbench.data.memory import check_fits_memory
from normbench.errors import DataError
from normbench.text import reason

MAX_BYTES = 2**34
"""Of one array: five million images of 32x32 pixels."""
MAX_HEADER = 10_000  # characters; NumPy's own bound


@dataclass(frozen=True)
class Header:
    """What an array in the .npy format says of itself. `by_columns`: in Fortran's order."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(where: str, file: IO[bytes], size: int) -> Header:
    """The header of an array of `size` bytes, header included; `file` is left at the content.

    Raises DataError for an array of Python objects, one that is larger than MAX_BYTES or `size`, or another file.
    """
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        version = npy.read_magic(file)
        if version not in readers:
            raise ValueError(f"version {version} of the format is not read")
        header = Header(*readers[version](file, max_header_size=MAX_HEADER))
    except Exception as error:  # for a crafted header NumPy raises several types
        raise DataError(f"{where}: not a NumPy array: {reason(error)}") from error
    if header.dtype.hasobject:
        raise DataError(f"{where}: holds Python objects, which are never loaded; save it as an array of numbers")
    if header.num_bytes > MAX_BYTES:
        raise DataError(f"{where}: {header.num_bytes:,} bytes, at most {MAX_BYTES:,} are read")
    if header.num_bytes > size:
        raise DataError(f"{where}: its header promises {header.num_bytes:,} bytes, and there are {size:,}")
    return header


def read_content(where: str, file: IO[bytes], header: Header) -> NDArray[Any]:
    """The array after its header. Raises DataError if the file ends early."""
    content = bytearray(header.num_bytes)  # writable, as tensors must be
    view, done = memoryview(content), 0
    while done < len(content):
        piece = file.read(min(len(content) - done, 2**24))
        if not piece:
            raise DataError(f"{where}: it ends after {done:,} of {len(content):,} bytes")
        view[done : done + len(piece)] = piece
        done += len(piece)
    return np.frombuffer(content, header.dtype).reshape(header.shape, order="F" if header.by_columns else "C")


def check_images(where: str, header: Header) -> None:
    """Raises DataError for anything but images uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3."""
    shape, allowed = header.shape, "uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3"
    found = f"{header.dtype} {list(shape)}"
    if header.dtype != np.uint8:
        hint = "" if header.dtype.kind != "f" else "; of fractions, save (255 * x).round().astype('uint8')"
        raise DataError(f"{where}: the images are {found}, expected {allowed}{hint}")
    if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and _channels_axis(shape) is None):
        raise DataError(f"{where}: the images are {found}, expected {allowed}")
    try:
        check_fits_memory((shape[0], *image_shape(header)))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _channels_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of the channels of [N, H, W, C] or [N, C, H, W]; None if neither or both could be meant."""
    axes = [axis for axis in (1, 3) if shape[axis] in (1, 3)]
    return axes[0] if len(axes) == 1 else None


def image_shape(header: Header) -> tuple[int, int, int]:
    """(C, H, W) of images that `check_images` has passed."""
    shape = header.shape
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    channels, height, width = (shape[3], shape[1], shape[2]) if _channels_axis(shape) == 3 else shape[1:]
    return channels, height, width


def as_images(array: NDArray[Any]) -> Tensor:
    """Images that `check_images` has passed, as uint8 [N, C, H, W]."""
    if array.ndim == 3:
        array = array[:, None]
    elif _channels_axis(array.shape) == 3:
        array = array.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(array))


def check_labels(where: str, header: Header, num_images: int) -> None:
    """Raises DataError for anything but `num_images` whole numbers or texts, [N] or [N, 1]."""
    shape, dtype = header.shape, header.dtype
    if dtype.kind not in "iuU" or shape not in ((num_images,), (num_images, 1)):
        hint = "; of one-hot rows, save y.argmax(1)" if len(shape) == 2 and shape[1:] != (1,) else ""
        raise DataError(
            f"{where}: the labels are {dtype} {list(shape)}, expected a whole number or a text for each of the "
            f"{num_images:,} images{hint}"
        )

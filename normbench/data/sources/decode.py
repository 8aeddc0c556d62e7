"""Many encoded images -> one array. They have one size, or are resized to one; they are grey if all of them are."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL.Image import DecompressionBombWarning

from normbench.data.memory import check_fits_memory
from normbench.data.progress import progress
from normbench.data.sources.image_file import read_image
from normbench.errors import DataError

BLOCK = 250  # images for each task of a thread: small, so that Ctrl-C and a first error take effect quickly
MAX_THREADS = 8  # on any number of cores: threads wait for the disk, and Pillow holds the GIL half of the time
MAX_NAMED = 5  # unreadable images named in one error

Encoded = tuple[str, Callable[[], bytes]]
"""Where an image is, for messages, and a function that gives its content. The function may raise DataError."""


def decode(images: Sequence[Encoded], *, resize: tuple[int, int] | None, bar: bool) -> NDArray[np.uint8]:
    """Decode images to uint8 [N, C, H, W], with one channel if all are grey, else with three.

    `resize` is (height, width); without it all images must have the size of the first. Raises DataError that names the
    first wrong images, and before decoding them if the array would not fit into the memory.
    """
    first, (height, width) = _first_readable(images, resize)
    check_fits_memory((len(images), 3, height, width))
    out = np.empty((len(images), 3, height, width), np.uint8)
    coloured = np.zeros(len(images), bool)

    def block(start: int) -> list[str]:
        errors = []
        for index in range(start, min(start + BLOCK, len(images))):
            where, content = images[index]
            try:
                image = read_image(content(), where, resize)
                if image.shape[1:] != (height, width):
                    raise DataError(_two_sizes(first, (height, width), where, image.shape[1:]))
                out[index], coloured[index] = image, len(image) == 3
            except DataError as error:
                errors.append(str(error))
        return errors

    errors: list[str] = []
    pool = ThreadPoolExecutor(MAX_THREADS)
    try:
        with progress("decoding", "images", bar) as report, warnings.catch_warnings():
            warnings.simplefilter("ignore", DecompressionBombWarning)  # read_image refuses such images by their size
            starts = range(0, len(images), BLOCK)
            for start, found in zip(starts, pool.map(block, starts), strict=True):
                errors += found
                report(min(start + BLOCK, len(images)), len(images))
    finally:
        pool.shutdown(cancel_futures=True)
    if errors:
        more = f"; and {len(errors) - MAX_NAMED:,} more" if len(errors) > MAX_NAMED else ""
        raise DataError("; ".join(errors[:MAX_NAMED]) + more)
    return out if coloured.any() else np.ascontiguousarray(out[:, :1])


def _first_readable(images: Sequence[Encoded], resize: tuple[int, int] | None) -> tuple[str, tuple[int, ...]]:
    """Where the first image is that can be read, and its (height, width): `images[0]` where none can."""
    for where, content in images:
        with suppress(DataError):
            return where, read_image(content(), where, resize).shape[1:]
    return images[0][0], (0, 0)


def _two_sizes(first: str, its_size: tuple[int, int], other: str, other_size: tuple[int, ...]) -> str:
    (height, width), (other_height, other_width) = its_size, other_size
    return (
        f"{other} is {other_width}x{other_height} pixels, and {first} is {width}x{height}: images must be of one size, "
        "or be resized to one with --set data.resize=32 (or [HEIGHT, WIDTH])"
    )

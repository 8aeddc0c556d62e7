"""Batches of CIFAR's binary version: records of one or two labels and an image, without a header.

Format: https://www.cs.toronto.edu/~kriz/cifar.html. CIFAR-10 has one byte of label before the 3,072 of an image,
CIFAR-100 has two: the coarse label, then the fine one.
"""

import numpy as np
from numpy.typing import NDArray

from normbench.errors import DataError

IMAGE_BYTES = 3 * 32 * 32


def read_batch(where: str, content: bytes, num_labels: int, label: int) -> tuple[NDArray[np.uint8], list[int]]:
    """(data uint8 [n, 3072], the label at index `label` of each record). Raises DataError that names `where`."""
    record = num_labels + IMAGE_BYTES
    if not content or len(content) % record:
        raise DataError(
            f"{where}: its {len(content):,} bytes are not a whole number of records of {record:,} bytes: it is not "
            "complete, or of another kind"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return records[:, num_labels:], records[:, label].tolist()


def read_names(where: str, content: bytes) -> tuple[str, ...]:
    """The names of the classes, one a line. Raises DataError that names `where`."""
    try:
        return tuple(content.decode().split())
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: expected the names of the classes, one a line") from error

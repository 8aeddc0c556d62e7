"""Files in the IDX format of MNIST: a header with the shape, then unsigned bytes.

Format: http://yann.lecun.com/exdb/mnist (archived). Two zero bytes, the type (8: unsigned byte), the number of
dimensions, each dimension as a big-endian 32-bit integer, the values.
"""

import math
import struct

import numpy as np
from numpy.typing import NDArray

from normbench.errors import DataError

UNSIGNED_BYTE = 8


def read_idx(where: str, content: bytes) -> NDArray[np.uint8]:
    """The array in the unpacked content of a file. Raises DataError for another format, and for another length."""
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise DataError(f"{where}: not a file of unsigned bytes in the IDX format")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{where}: it ends within its header")
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{where}: its header promises {math.prod(shape):,} values, and there are {len(content) - start:,}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

"""One image file as uint8 [3, 32, 32]. Formats that convert to RGB without loss are read, all others refused by name.

Without loss: grey, palette, and images with an alpha channel that is opaque everywhere. 16 bits, several frames,
transparency, CMYK and other sizes need a decision, which is left to the user.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from normbench.errors import DataError
from normbench.files import read_regular

SIDE = 32
"""Pixels: the height and the width of the images."""
MAX_BYTES = 10_000_000
WITHOUT_LOSS = ("1", "L", "P", "RGB", "LA", "PA", "RGBA")  # Pillow's modes
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_BIT_DEPTH = 24  # its byte offset in a PNG file (PNG specification, 11.2.2)

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
"""Pillow's names, of the files that torchvision's ImageFolder lists."""
TIFF_BITS = 258
"""The tag BitsPerSample (TIFF 6.0, section 8)."""

Image.init()  # Pillow would load its formats on first use, which is not thread-safe


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode a file in one of the FORMATS. Grey, palette and opaque images become RGB.

    Raises DataError that names the file if it is empty, unreadable, no regular file, larger than MAX_BYTES, of another
    size, animated, of 16 bits, partly transparent, or of other colours than RGB. The size is checked before pixels are
    decoded.
    """
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not content:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check(path, content, image)
            return np.asarray(_to_rgb(path, image)).transpose(2, 0, 1)
    except DataError:
        raise
    except Exception as error:  # for damaged files Pillow raises a dozen types, such as struct.error and SyntaxError
        reason = f"not an image in {', '.join(FORMATS)}" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(f"{path}: unreadable image: {reason}") from error


def _check(path: Path, content: bytes, image: Image.Image) -> None:
    if image.size != (SIDE, SIDE):
        width, height = image.size
        raise DataError(f"{path}: the image is {width}x{height} pixels, the network takes {SIDE}x{SIDE}: resize it")
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{path}: the image is animated ({image.n_frames} frames): keep one frame")  # type: ignore[attr-defined]
    if _has_16_bits(content, image):
        raise DataError(f"{path}: the image has 16 bits a channel: convert it to 8")


def _has_16_bits(content: bytes, image: Image.Image) -> bool:
    """Whether colours have more than 8 bits, which Pillow cuts off without a word."""
    if content.startswith(PNG_SIGNATURE):
        return content[PNG_BIT_DEPTH] == 16
    if image.format == "TIFF":
        return max(image.tag_v2.get(TIFF_BITS, (1,))) > 8  # type: ignore[attr-defined]
    if image.format == "PPM":
        values = image.tile[0][3]  # type: ignore[attr-defined]  # with values beyond 255: the mode and the largest value
        return isinstance(values, tuple) and int(values[-1]) > 255
    return False


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode not in WITHOUT_LOSS:
        raise DataError(f"{path}: the image holds {image.mode} values: convert it to RGB")
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{path}: the image is partly transparent: put it on a background")
    return image.convert("RGB")

"""The content of one image file. Formats that convert to grey or RGB without loss are read, all others are refused.

Without loss: grey, palette, and images with an alpha channel that is opaque everywhere. 16 bits, several frames,
transparency and CMYK need a decision, which is left to the user.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from normbench.data.memory import MAX_SIDE
from normbench.errors import DataError

MAX_BYTES = 30_000_000
"""Of one encoded image."""
MAX_PIXELS = 25_000_000
"""Of one image that is resized: several are decoded at the same time."""
GREY = ("1", "L", "LA")  # Pillow's modes
COLOUR = ("P", "RGB", "PA", "RGBA")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_BIT_DEPTH = 24  # its byte offset in a PNG file (PNG specification, 11.2.2)

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
"""Pillow's names."""
TIFF_BITS = 258
"""The tag BitsPerSample (TIFF 6.0, section 8)."""

Image.init()  # Pillow would load its formats on first use, which is not thread-safe


def read_image(content: bytes, where: str, resize: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decode an image in one of the FORMATS: uint8 [1, H, W] for grey, [3, H, W] for colour.

    `where` names it in errors. `resize`, (height, width), is Pillow's bilinear filter with antialiasing, which
    torchvision's `Resize` applies to PIL images; the proportion of the sides is not kept. Raises DataError for an image
    that is empty, unreadable, too large, animated, of 16 bits, partly transparent, or of other colours than grey and
    RGB. The size is checked before pixels are decoded.
    """
    if not content:
        raise DataError(f"{where}: the file is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check(where, content, image, resized=resize is not None)
            plain = _without_loss(where, image)
            if resize is not None and plain.size != resize[::-1]:
                plain = plain.resize(resize[::-1], Image.Resampling.BILINEAR)
            pixels = np.asarray(plain)
            return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    except DataError:
        raise
    except Exception as error:  # for damaged files Pillow raises a dozen types, such as struct.error and SyntaxError
        reason = f"not an image in {', '.join(FORMATS)}" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(f"{where}: unreadable image: {reason}") from error


def _check(where: str, content: bytes, image: Image.Image, *, resized: bool) -> None:
    width, height = image.size
    if not resized and max(width, height) > MAX_SIDE:
        raise DataError(
            f"{where}: the image is {width}x{height} pixels, and at most {MAX_SIDE}x{MAX_SIDE} are taken: resize the "
            "images, as with --set data.resize=32"
        )
    if width * height > MAX_PIXELS:
        raise DataError(f"{where}: the image is {width}x{height} pixels, more than {MAX_PIXELS:,}: resize it")
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{where}: the image is animated ({image.n_frames} frames): keep one frame")  # type: ignore[attr-defined]
    if _has_16_bits(content, image):
        raise DataError(f"{where}: the image has 16 bits a channel: convert it to 8")


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


def _without_loss(where: str, image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode not in (*GREY, *COLOUR):
        raise DataError(f"{where}: the image holds {image.mode} values: convert it to RGB")
    plain = "L" if image.mode in GREY else "RGB"
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        if opaque.getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{where}: the image is partly transparent: put it on a background")
        return opaque.convert("RGB").convert(plain)
    return image if image.mode == plain else image.convert(plain)

"""One image file: read without loss, or refused by name."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import Resize

from normbench.data.sources.folder import read_file
from normbench.data.sources.image_file import read_image
from normbench.errors import DataError


def save_16_bit_grey(path: Path) -> None:
    Image.fromarray(np.full((32, 32), 40_000, np.uint16)).save(path)


def save_png_by_hand(path: Path, side: int, bits: int, more: bytes = b"") -> None:
    """An RGB file whose header says so and whose content is black; `more` stands between the two."""

    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, 2, 0, 0, 0))
    content = png_chunk(b"IDAT", zlib.compress(bytes(32 * (1 + 32 * 6))))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + more + content + png_chunk(b"IEND", b""))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def save_16_bit_tiff(path: Path) -> None:
    """RGB, which Pillow reads and does not write: the header of an 8-bit file is changed."""
    Image.new("RGB", (64, 32)).save(path, format="TIFF")
    content = path.read_bytes()
    with Image.open(path) as image:
        width, bits = content.index(struct.pack("<HHII", 256, 4, 1, 64)), struct.pack("<HHH", 8, 8, 8)
        assert image.tag_v2[258] == (8, 8, 8)
    narrow = content[:width] + struct.pack("<HHII", 256, 4, 1, 32) + content[width + 12 :]
    path.write_bytes(narrow.replace(bits, struct.pack("<HHH", 16, 16, 16)))


def save_text_bomb(path: Path) -> None:
    save_png_by_hand(path, 32, 8, png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000))))


def save_more_than_any_image(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk


def save_cmyk(path: Path) -> None:
    Image.new("CMYK", (32, 32)).save(path, format="JPEG")


def save_post_script(path: Path) -> None:
    """Pillow would start another program on it."""
    Image.new("RGB", (32, 32)).save(path, format="EPS")


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def save_animated(path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), (i * 50, 0, 0)) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def save_transparent(path: Path) -> None:
    Image.new("RGBA", (32, 32), (1, 2, 3, 100)).save(path)


def save_transparent_palette(path: Path) -> None:
    Image.new("P", (32, 32)).save(path, transparency=0)


def save_truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1500])


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda path: Image.new("RGB", (1025, 32)).save(path), "1025x32 pixels, and at most 1024x1024"),
        (save_16_bit_grey, "16 bits"),
        (lambda path: save_png_by_hand(path, 32, 16), "16 bits"),  # which Pillow reads as if it had 8
        (lambda path: path.write_bytes(b"P6 32 32 65535\n" + bytes(32 * 32 * 6)), "16 bits"),  # likewise
        (save_16_bit_tiff, "16 bits"),
        (save_cmyk, "holds CMYK values: convert it to RGB"),
        (lambda path: save_png_by_hand(path, 10_000, 8), "10000x10000 pixels, and at most 1024x1024"),
        (lambda path: save_png_by_hand(path, 60_000, 8), "3600000000 pixels"),
        (save_text_bomb, "unreadable image"),
        (save_more_than_any_image, "larger than 30,000,000 bytes"),
        (os.mkfifo, "a pipe, a socket or a device, not a file"),
        (link_to_a_device, "a pipe, a socket or a device, not a file"),
        (link_to_itself, "symbolic links"),
        (save_post_script, "not an image in JPEG, PNG"),
        (save_animated, "animated (3 frames)"),
        (save_transparent, "transparent"),
        (save_transparent_palette, "transparent"),
        (save_truncated, "unreadable image"),
        (lambda path: path.write_bytes(b""), "empty (0 bytes)"),
        (lambda path: path.write_text("hello"), "not an image in JPEG, PNG"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_that_cannot_be_used_is_named(tmp_path: Path, write: Callable[[Path], object], complaint: str) -> None:
    path = tmp_path / "1.png"
    write(path)
    with pytest.raises(DataError) as caught:
        read_image(read_file(path), str(path))
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA"])
def test_grey_and_what_is_rgb_in_other_words_is_read_without_loss(tmp_path: Path, mode: str) -> None:
    colours = {"1": (0, 255), "L": (3, 254), "LA": (3, 254)}.get(mode)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8) // 64 * 64  # 64 colours at most
    if colours:
        pixels = np.where(pixels[:, :, :1] > 100, *colours).astype(np.uint8).repeat(3, axis=2)
    image = Image.fromarray(pixels)
    image = image.quantize(64) if mode == "P" else image.convert("RGBA" if mode == "LA" else mode).convert(mode)
    image.save(tmp_path / "0.png")
    with Image.open(tmp_path / "0.png") as saved:
        assert saved.mode == mode
    found = read_image((tmp_path / "0.png").read_bytes(), "here")
    assert np.array_equal(found.transpose(1, 2, 0), pixels[:, :, :1] if colours else pixels)


def test_a_gif_of_one_frame_is_an_image(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (255, 0, 0)).save(tmp_path / "0.gif")
    assert read_image((tmp_path / "0.gif").read_bytes(), "here")[:, 5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_images_are_resized_as_torchvision_does(tmp_path: Path, mode: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)).convert(mode)
    noise.save(tmp_path / "0.png")
    expected = np.asarray(Resize((32, 24))(noise)).reshape(32, 24, -1)
    assert np.array_equal(read_image((tmp_path / "0.png").read_bytes(), "here", (32, 24)).transpose(1, 2, 0), expected)


def test_a_photo_too_large_to_be_resized_is_refused(tmp_path: Path) -> None:
    save_png_by_hand(tmp_path / "0.png", 6000, 8)
    with pytest.raises(DataError, match="6000x6000 pixels, more than 25,000,000"):
        read_image((tmp_path / "0.png").read_bytes(), "here", (32, 32))

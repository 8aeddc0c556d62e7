"""The folder source: what is read, in which order, and that every fault names its file or folder."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from normbench.data import Dataset, load_dataset
from normbench.errors import DataError

COLOURS = {"cat": (200, 10, 30), "ant": (0, 250, 90)}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes, three train and two test images each, of one colour a class and a brightness a file."""
    monkeypatch.delenv("NORMBENCH_DATA", raising=False)
    path = tmp_path / "images"
    for split, count in (("train", 3), ("test", 2)):
        for name, colour in COLOURS.items():
            (path / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (32, 32), (*colour[:2], colour[2] + i)).save(path / split / name / f"{i}.png")
    return path


def load(root: Path | None, said: list[str] | None = None) -> Dataset:
    config = SimpleNamespace(source="folder", dir=None if root is None else str(root), urls=())
    cache = Path("unused") if root is None else root.parent / "cache"
    return load_dataset(config, [].append if said is None else said.append, cache, bar=False)


def refused(root: Path, *parts: str) -> None:
    """The error has exit code 3 and all parts, and nothing is kept of the other images."""
    with pytest.raises(DataError) as caught:
        load(root)
    assert caught.value.exit_code == 3
    for part in parts:
        assert part in str(caught.value)
    assert not list(root.parent.rglob("cache/*"))


def test_reads_classes_and_files_by_name(root: Path) -> None:
    said: list[str] = []
    dataset = load(root, said)
    assert dataset.class_names == ("ant", "cat")
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.test.labels.tolist() == [0, 0, 1, 1]
    assert dataset.train.images.dtype == torch.uint8
    assert dataset.train.images.shape == (6, 3, 32, 32)
    assert dataset.train.images.is_contiguous()
    assert dataset.train.images[:, 2, 5, 5].tolist() == [90, 91, 92, 30, 31, 32]
    assert dataset.train.images[3, :, 0, 31].tolist() == [200, 10, 30]
    assert any("decoding 10 images" in line for line in said)


def test_rows_and_columns_are_not_swapped(root: Path) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[1, 30, 2] = 77
    Image.fromarray(pixels).save(root / "train" / "ant" / "0.png")
    assert load(root).train.images[0, 2, 1, 30] == 77


def test_the_place_may_come_from_the_environment_and_must_come(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"--data-dir.*NORMBENCH_DATA.*train/<class>"):
        load(None)
    monkeypatch.setenv("NORMBENCH_DATA", str(root))
    config = SimpleNamespace(source="folder", dir=None, urls=())
    assert len(load_dataset(config, [].append, root.parent / "cache").test) == 4


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA"])
def test_what_is_rgb_in_other_words_becomes_rgb_without_loss(root: Path, mode: str) -> None:
    colours = {"1": (0, 255), "L": (3, 254), "LA": (3, 254)}.get(mode)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8) // 64 * 64  # 64 colours at most
    if colours:
        pixels = np.where(pixels[:, :, :1] > 100, *colours).astype(np.uint8).repeat(3, axis=2)
    image = Image.fromarray(pixels)
    image = image.quantize(64) if mode == "P" else image.convert("RGBA" if mode == "LA" else mode).convert(mode)
    image.save(root / "train" / "ant" / "0.png")
    with Image.open(root / "train" / "ant" / "0.png") as saved:
        assert saved.mode == mode
    assert np.array_equal(load(root).train.images[0].permute(1, 2, 0).numpy(), pixels)


def test_links_are_followed_and_the_rest_is_ignored_aloud(root: Path) -> None:
    (root / "train" / "cat").rename(root / "elsewhere")
    (root / "train" / "cat").symlink_to(root / "elsewhere")
    (root / "train" / ".hidden").mkdir()
    (root / "train" / "ant" / "notes.txt").write_text("not an image")
    (root / "train" / "ant" / ".0.png").write_bytes(b"")
    said: list[str] = []
    assert len(load(root, said).train) == 6
    assert any("ignored 1 entries" in line and "notes.txt" in line for line in said)


def save_wrong_size(path: Path) -> None:
    Image.new("RGB", (48, 32)).save(path)


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
        (save_wrong_size, "48x32 pixels, the network takes 32x32"),
        (lambda path: Image.new("RGB", (1, 1)).save(path), "1x1 pixels, the network takes 32x32"),
        (save_16_bit_grey, "16 bits"),
        (lambda path: save_png_by_hand(path, 32, 16), "16 bits"),  # which Pillow reads as if it had 8
        (save_cmyk, "holds CMYK values: convert it to RGB"),
        (lambda path: save_png_by_hand(path, 10_000, 8), "10000x10000 pixels, the network takes 32x32"),
        (lambda path: save_png_by_hand(path, 60_000, 8), "3600000000 pixels"),
        (save_text_bomb, "unreadable image"),
        (save_more_than_any_image, "larger than 10,000,000 bytes"),
        (os.mkfifo, "a pipe, a socket or a device, not a file"),
        (link_to_a_device, "a pipe, a socket or a device, not a file"),
        (link_to_itself, "symbolic links"),
        (save_post_script, "not a JPEG or PNG image"),
        (save_animated, "animated (3 frames)"),
        (save_transparent, "transparent"),
        (save_transparent_palette, "transparent"),
        (save_truncated, "unreadable image"),
        (lambda path: path.write_bytes(b""), "empty (0 bytes)"),
        (lambda path: path.write_text("hello"), "not a JPEG or PNG image"),
        (lambda path: Image.new("RGB", (32, 32)).save(path, format="GIF"), "not a JPEG or PNG image"),
    ],
)
def test_an_image_that_cannot_be_used_is_named(root: Path, write: Callable[[Path], object], complaint: str) -> None:
    path = root / "test" / "cat" / "1.png"
    path.unlink()
    write(path)
    refused(root, str(path), complaint)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("Dog", "dog"), "differs from the class 'Dog' only in case"),
        (("STRASSE", "Stra\u00dfe"), "differs from the class 'STRASSE' only in case"),
        (("e\u0301", "\u00e9"), "only in case or in how an accent is written"),
        (("a\x1b[31m",), "holds control characters or is not UTF-8"),
        (("a\nb",), "holds control characters or is not UTF-8"),
        (("a\u202eb",), "holds control characters or is not UTF-8"),
        (("\udcff",), "holds control characters or is not UTF-8"),  # the byte 255 in the folder's name
    ],
)
def test_a_class_whose_name_cannot_be_told_or_shown_is_named(
    root: Path, names: tuple[str, ...], complaint: str
) -> None:
    for split in ("train", "test"):
        for name in names:
            try:
                (root / split / name).mkdir()
            except OSError as error:
                pytest.skip(f"such a folder cannot be made here: {error}")
            (root / split / name / "0.png").write_bytes((root / "train" / "ant" / "0.png").read_bytes())
    refused(root, str(root / "train" / names[-1]), complaint)


def test_many_bad_images_are_counted(root: Path) -> None:
    for path in root.glob("*/*/*.png"):
        path.write_bytes(b"")
    refused(root, "ant/0.png", "; and 5 more")


def test_a_missing_split_class_or_image_is_named(root: Path) -> None:
    refused(root / "train", str(root / "train"), "no folder 'train'")
    (root / "train" / "dog").mkdir()
    refused(root, str(root / "test" / "dog"), "missing")
    (root / "test" / "dog").mkdir()
    refused(root, str(root / "train" / "dog"), "no .png, .jpg, .jpeg images")
    (root / "train" / "dog").rmdir()
    refused(root, str(root / "train" / "dog"), "missing")


def test_a_place_that_is_a_link_to_itself_is_named(root: Path) -> None:
    place = root / "place"
    place.symlink_to(place)
    refused(place, str(place), "no folder 'train'")


def test_a_tree_without_classes_and_a_dangling_link(root: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "bare" / split).mkdir(parents=True)
    refused(tmp_path / "bare", "no class folders")
    (root / "train" / "ant" / "9.png").symlink_to(tmp_path / "nowhere.png")
    refused(root, "9.png", "No such file")

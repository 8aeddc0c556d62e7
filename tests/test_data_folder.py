"""The folder source: what is read, in which order, and that every fault names its file or folder."""

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
    with pytest.raises(DataError) as caught:
        load(root)
    for part in parts:
        assert part in str(caught.value)


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


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGBA", "LA"])
def test_other_colour_modes_become_rgb(root: Path, mode: str) -> None:
    image = Image.new("RGB", (32, 32), (255, 255, 255)).convert("RGBA" if mode == "LA" else "RGB").convert(mode)
    (root / "train" / "ant" / "0.png").unlink()
    image.save(root / "train" / "ant" / f"0.{'JPEG' if mode == 'CMYK' else 'PNG'}")
    assert load(root).train.images[0].float().mean() > 250


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


def save_16_bit_colour(path: Path) -> None:
    """By hand: Pillow cannot write such files, and reads them as if they had 8 bits."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 32, 32, 16, 2, 0, 0, 0)
    rows = zlib.compress(bytes(32 * (1 + 32 * 6)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


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
        (save_16_bit_grey, "16 bits"),
        (save_16_bit_colour, "16 bits"),
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


def test_a_tree_without_classes_and_a_dangling_link(root: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "bare" / split).mkdir(parents=True)
    refused(tmp_path / "bare", "no class folders")
    (root / "train" / "ant" / "9.png").symlink_to(tmp_path / "nowhere.png")
    refused(root, "9.png", "No such file")

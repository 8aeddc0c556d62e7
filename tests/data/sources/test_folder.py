"""The folder source: what is read, in which order, and that every fault names its file or folder."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from normbench.config import DataConfig
from normbench.data.dataset import Dataset
from normbench.data.load import load_dataset
from normbench.data.sources.folder_tree import scan
from normbench.errors import DataError
from tests.tiny import invoke, make_folder
from tests.unprivileged import without_privileges

COLOURS = {"cat": (200, 10, 30), "ant": (0, 250, 90)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, three train and two test images each, of one colour a class and a brightness a file.

    No image is in both splits.
    """
    path = tmp_path / "images"
    for split, first, count in (("train", 0, 3), ("test", 10, 2)):
        for name, colour in COLOURS.items():
            (path / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (32, 32), (*colour[:2], colour[2] + first + i)).save(path / split / name / f"{i}.png")
    return path


def load(root: Path | None) -> Dataset:
    config = DataConfig(source="folder", dir=None if root is None else str(root))
    cache = Path("unused") if root is None else root.parent / "cache"
    return load_dataset(config, cache_dir=cache, bar=False)


def refused(root: Path, *parts: str) -> None:
    """The error has exit code 3 and all parts, and nothing is kept of the other images."""
    with pytest.raises(DataError) as caught:
        load(root)
    assert caught.value.exit_code == 3
    for part in parts:
        assert part in str(caught.value)
    assert not list(root.parent.rglob("cache/*"))


def test_reads_classes_and_files_by_name(root: Path, said: list[str]) -> None:
    dataset = load(root)
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
    config = DataConfig(source="folder", dir=None)
    assert len(load_dataset(config, cache_dir=root.parent / "cache").test) == 4


def test_links_are_followed_and_the_rest_is_ignored_aloud(root: Path, said: list[str]) -> None:
    (root / "train" / "cat").rename(root / "elsewhere")
    (root / "train" / "cat").symlink_to(root / "elsewhere")
    (root / "train" / ".hidden").mkdir()
    (root / "train" / "ant" / "notes.txt").write_text("not an image")
    (root / "train" / "ant" / ".0.png").write_bytes(b"")
    assert len(load(root).train) == 6
    assert any("left out 1 file " in line and "notes.txt" in line for line in said)


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
    (root / "train" / "dog").mkdir()
    refused(root, str(root / "train" / "dog"), "holds no images")
    image = next((root / "train").rglob("*.png"))
    image.rename(root / "train" / "dog" / "9.png")
    refused(root, str(root / "test" / "dog"), "missing")
    (root / "train" / "dog" / "9.png").rename(image)
    (root / "test" / "dog").mkdir()
    refused(root, str(root / "train" / "dog"), ".png, ")
    (root / "train" / "dog").rmdir()
    refused(root, str(root / "test" / "dog"), "holds no images")


def test_a_place_that_is_a_link_to_itself_is_named(root: Path) -> None:
    place = root / "place"
    place.symlink_to(place)
    refused(place, str(place), "nothing is there")


def test_a_tree_without_classes_and_a_dangling_link(root: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "bare" / split).mkdir(parents=True)
    refused(tmp_path / "bare", "no class folders")
    (root / "train" / "ant" / "9.png").symlink_to(tmp_path / "nowhere.png")
    refused(root, "9.png", "No such file")


@pytest.mark.parametrize("closed", [".", "train", "train/dog", "test/cat/000.png"])
def test_what_one_may_not_read_is_named(closed: str, open_place: Path) -> None:
    root = make_folder(open_place / "images", 2, 1)
    path = root / closed
    path.chmod(0)
    try:
        with without_privileges():
            refused(root, str(path), "cannot be read: Permission denied")
    finally:
        path.chmod(0o755)


def test_train_ends_with_exit_code_3_and_leaves_no_run(tmp_path: Path, empty_cache: Path) -> None:
    images = make_folder(tmp_path / "images", 2, 1)
    (images / "test" / "dog" / "000.png").write_bytes(b"")
    result = invoke("train", "--data", "folder", "--data-dir", images, "--results", tmp_path / "results")
    assert isinstance(result.exception, DataError)
    assert str(result.exception) == f"{images / 'test' / 'dog' / '000.png'}: the file is empty (0 bytes)"
    assert not (tmp_path / "results").exists()
    assert not list(empty_cache.iterdir())


def test_folders_that_systems_leave_are_no_classes(root: Path) -> None:
    before = load(root).fingerprint
    for name in ("@eaDir", "__MACOSX", "$RECYCLE.BIN"):
        (root / "train" / name).mkdir()
    assert load(root).fingerprint == before
    (root / "train" / "New folder").mkdir()
    with pytest.raises(DataError, match=r"train/New folder: holds no images .*remove it if it is no class"):
        load(root)


def test_what_was_named_in_place_of_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is there"):
        load(tmp_path / "none")
    (tmp_path / "data.tgz").touch()
    with pytest.raises(DataError, match=r"is a file.*unpack an archive first"):
        load(tmp_path / "data.tgz")
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match="--data cifar10 reads"):
        load(tmp_path)


def test_folders_with_other_names_are_named(root: Path) -> None:
    (root / "train").rename(root / "images")
    refused(root, "no folder 'train'", "images, test")


def test_images_are_found_and_ordered_as_image_folder_does(root: Path) -> None:
    """In folders below, with all endings, in any case. What is not below is read as before."""
    ant = root / "train" / "ant"
    for name in ("more/2/0.png", "more/b.WEBP", "more/a.bmp", "x.tiff", "grey.pgm", "Z.ppm", "more-0/1.JPEG"):
        (ant / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if name.endswith("pgm") else "RGB", (32, 32), len(name)).save(ant / name)
    expected = ImageFolder(str(root / "train"))
    train = load(root).train
    assert len(train) == 13
    assert train.labels.tolist() == expected.targets
    for image, (pixels, _) in zip(train.images, expected, strict=True):
        assert np.array_equal(image.numpy(), np.asarray(pixels).transpose(2, 0, 1))


def test_a_link_in_a_circle_is_named(root: Path) -> None:
    (root / "train" / "ant" / "again").symlink_to(root / "train" / "ant")
    refused(root, str(root / "train" / "ant" / "again"), "remove the link")


def test_one_class_is_refused(root: Path) -> None:
    for split in ("train", "test"):
        shutil.rmtree(root / split / "cat")
    refused(root, "only one class, 'ant'")


@pytest.mark.parametrize(("count", "level"), [(1, logging.INFO), (200, logging.WARNING)])
def test_much_that_is_left_out_is_said_with_quiet_too(
    count: int, level: int, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(200):
        (root / "train" / "ant" / f"{number:03}.png").touch()
    for number in range(count):
        (root / "train" / f"{number}.avi").touch()  # beside the classes
    caplog.set_level(logging.INFO, "normbench")
    scan(root)
    assert [(line.levelno, f"left out {count:,} file" in line.message) for line in caplog.records] == [(level, True)]


LAYOUTS = {
    "other names": {"train": "Training", "test": "testing"},
    "val instead of test": {"train": "train", "test": "Valid"},
    "in another folder": {"train": "a/train", "test": "a/test"},
    "deeper": {"train": "a/b/TRAIN", "test": "a/b/validation"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_usual_layouts_give_the_same_data(root: Path, tmp_path: Path, layout: str) -> None:
    expected = load(root).fingerprint
    other = tmp_path / "other" / "images"
    for split, place in LAYOUTS[layout].items():
        shutil.copytree(root / split, other / place)
    (other / ".DS_Store").touch()
    assert load(other).fingerprint == expected


def test_a_val_split_beside_test_is_the_one_to_choose_settings_on(root: Path) -> None:
    shutil.copytree(root / "test", root / "valid")
    dataset = load(root)
    assert dataset.val is not None
    assert torch.equal(dataset.val.images, dataset.test.images)
    assert dataset.train_and_val() == (dataset.train, dataset.val)


@pytest.mark.parametrize("place", ["", "train"])
def test_of_classes_that_are_not_in_splits_a_share_is_held_out(
    root: Path, tmp_path: Path, place: str, said: list[str]
) -> None:
    shutil.copytree(root / "train", tmp_path / "other" / "images" / place)
    dataset = load(tmp_path / "other" / "images")
    assert dataset.class_names == ("ant", "cat")
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([0, 0, 1, 1], [0, 1])
    assert dataset.held_out == 0.2
    assert any("no test split" in line for line in said)


def test_two_folders_for_one_split_are_named(root: Path) -> None:
    (root / "Training").mkdir()
    refused(root, "Training, train are all for train images")

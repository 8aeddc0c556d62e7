"""`normbench data` through the real entry point."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normbench.errors import ConfigError, DataError
from tests.tiny import invoke, make_folder


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with a repeated image, a test image of the training set, one without contrast, and a small class."""
    root = make_folder(tmp_path / "odd", num_train=6, num_test=2)
    shutil.copy(root / "train/cat/000.png", root / "train/cat/100.png")
    shutil.copy(root / "train/dog/000.png", root / "test/dog/100.png")
    Image.fromarray(np.full((32, 32, 3), 128, np.uint8)).save(root / "train/ship/100.png")
    for number in range(5):
        (root / f"train/dog/00{number}.png").unlink()
    shutil.copy(root / "test/dog/100.png", root / "train/dog/000.png")
    return root


def test_check_counts_images_by_class_and_split(images: Path) -> None:
    found = json.loads(invoke("data", "check", images, "--format", "json").stdout)
    assert found["classes"] == [{"class": name, "train": 16, "test": 8} for name in ("cat", "dog", "ship")]
    facts = {row["what"]: row["value"] for row in found["data"]}
    assert (facts["images"], facts["size"]) == ("48 train, 24 test", "32 x 32 pixels, 3 channels")
    assert len(facts["fingerprint"]) == 64
    assert "Nothing unusual" in invoke("data", "check", images).stdout


def test_check_names_what_is_unusual(odd: Path) -> None:
    output = " ".join(invoke("data", "check", odd).stdout.split())
    for finding in (
        "Training images too, pixel by pixel: 1 test image.",
        "There more than once: 1 train image.",
        "Hardly any contrast: 1 train image",
        "3.5 times as many training images",
    ):
        assert finding in output


def test_a_source_is_checked_by_its_name_and_nothing_is_refused_as_in_training(tmp_path: Path) -> None:
    assert "synthetic" in invoke("data", "check", "synthetic-small").stdout
    assert isinstance(invoke("data", "check", tmp_path / "nowhere").exception, DataError)
    assert isinstance(invoke("data", "check", "synthetic", "--data", "npz").exception, ConfigError)


def test_show_draws_a_sheet_of_each_class(images: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.svg"
    assert invoke("data", "show", images, "--output", sheet, "--columns", 3, "--augment").exit_code == 0
    content = sheet.read_text(encoding="utf-8")
    assert content.count("<image ") == 9
    for text in ("cat", "dog", "ship", "48 train images, after flip, translate"):
        assert text in content
    assert isinstance(invoke("data", "show", images, "--output", sheet, "--split", "val").exception, ConfigError)

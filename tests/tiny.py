"""Tiny data and short commands for end-to-end tests."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from normbench.cli.main import app
from normbench.runs.folder import RunFolder

CLASSES = ("cat", "dog", "ship")
SMALL = ("--data", "folder", "--epochs", 3, "--batch-size", 8, "--device", "cpu", "--set", "train.precision=fp32")
"""Options of `train` for a run of a second or two on a folder of images."""


def make_folder(root: Path, num_train: int = 16, num_test: int = 8) -> Path:
    """A folder data set of three classes that differ in hue; `num_*` images a class."""
    rng = np.random.default_rng(0)
    for split, count in (("train", num_train), ("test", num_test)):
        for number, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 160, size=(32, 32, 3), dtype=np.uint8)
                pixels[:, :, number] += 60
                Image.fromarray(pixels).save(folder / f"{index:03}.png")
    return root


def full_at(name: str, patch: pytest.MonkeyPatch) -> None:
    """Writing a file of this name finds the disk full."""
    replace = Path.replace

    def no_room(path: Path, target: Path) -> Path:
        if target.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(path, target)

    patch.setattr(Path, "replace", no_room)


def stopped_before_the_end(*arguments: object, results: Path) -> RunFolder:
    """What `train` with these arguments leaves if all of its epochs are done and its record finds no room."""
    with pytest.MonkeyPatch.context() as patch:
        full_at("run.json", patch)
        assert invoke("train", *arguments, "--results", results).exit_code != 0
    (config,) = results.rglob("config.yaml")
    return RunFolder(config.parent)


def invoke(*arguments: object) -> Result:
    """Runs the command line in this process; the error of a failed command is in `result.exception`."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train_small(images: Path, results: Path, *arguments: object) -> Result:
    """`train` on a folder of images with the options SMALL."""
    return invoke("train", *SMALL, "--data-dir", images, "--results", results, *arguments)


def only_run(results: Path) -> RunFolder:
    """The folder of the one run in `results`, finished or not."""
    (config,) = results.rglob("config.yaml")
    return RunFolder(config.parent)


def assert_same_bits(run: RunFolder, other: RunFolder) -> None:
    """The runs have the same weights, predictions and config, and files of the same names."""
    for name in ("model.safetensors", "predictions.npz", "config.yaml"):
        assert (run.path / name).read_bytes() == (other.path / name).read_bytes(), name
    assert {path.name for path in run.path.iterdir()} == {path.name for path in other.path.iterdir()}

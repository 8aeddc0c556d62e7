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

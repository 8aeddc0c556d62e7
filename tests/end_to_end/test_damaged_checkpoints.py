"""A checkpoint that is damaged or of another run is not trained on, and the bits of the result stay the same."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from normbench.errors import ConfigError
from normbench.runs.checkpoint import Checkpoint, from_bytes, to_bytes
from normbench.runs.folder import RunFolder
from normbench.runs.read import read_epochs, read_predictions, read_record
from tests.tiny import SMALL, assert_same_bits, stopped_before_the_end, train_small

DAMAGE = {
    "cut off": lambda content: content[: len(content) // 2],
    "a bit": lambda content: content[:-40_000] + bytes([content[-40_000] ^ 1]) + content[-39_999:],
    "empty": lambda content: b"",
    "of an older version": lambda content: content[:-32],
}


def changed(**fields: object) -> Callable[[Checkpoint], Checkpoint]:
    return lambda checkpoint: replace(checkpoint, **fields)


def with_another_option(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with an option that the optimizer lacks, as after an update of normbench."""
    optimizer = deepcopy(checkpoint.optimizer)
    optimizer["param_groups"][0]["a new one"] = 1
    return replace(checkpoint, optimizer=optimizer)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_falls_back_and_says_so(
    damage: str, images: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    run = stopped_before_the_end(*SMALL, "--data-dir", images, results=tmp_path)
    run.checkpoint.write_bytes(DAMAGE[damage](run.checkpoint.read_bytes()))
    both = damage == "a bit"
    if both:
        run.previous_checkpoint.write_bytes(DAMAGE[damage](run.previous_checkpoint.read_bytes()))
    result = train_small(images, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{run.checkpoint} is damaged (cut off, changed, or written by another version" in result.stderr
    assert ("starting from the beginning" if both else "going on from the checkpoint before it") in result.stderr
    assert ("resumed  in epoch 3 after 0 steps" in result.stdout) is not both
    assert_same_bits(run, undisturbed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(fingerprint=5), "fingerprint: expected text, found 5"),
        (
            changed(environments=[{"threads": 1, "cpu": "x" * 10**7}]),
            "environments.0.cpu: 10,000,000 characters, the most are 300",
        ),
        (with_another_option, "its optimizer has other options"),
    ],
)
def test_a_checkpoint_from_elsewhere_is_not_trained_on(
    change: Callable[[Checkpoint], Checkpoint], said: str, images: Path, undisturbed: RunFolder, tmp_path: Path
) -> None:
    run = stopped_before_the_end(*SMALL, "--data-dir", images, results=tmp_path)
    for file in (run.checkpoint, run.previous_checkpoint):
        file.write_bytes(to_bytes(change(from_bytes(file.read_bytes(), torch.device("cpu")))))
    result = train_small(images, tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{run.checkpoint} is damaged ({said})" in result.stderr
    assert "starting from the beginning" in result.stderr
    assert_same_bits(run, undisturbed)


def test_the_checkpoint_of_another_run_is_refused_and_left_alone(images: Path, tmp_path: Path) -> None:
    """Its weights have the same shapes. It is there because somebody moved a folder or linked to one."""
    run = stopped_before_the_end(*SMALL, "--data-dir", images, results=tmp_path)
    checkpoint = from_bytes(run.checkpoint.read_bytes(), torch.device("cpu"))
    for file in (run.checkpoint, run.previous_checkpoint):
        file.write_bytes(to_bytes(replace(checkpoint, run="bn-s1-12345678")))
    before = {path: path.read_bytes() for path in run.path.iterdir()}
    result = train_small(images, tmp_path)
    assert isinstance(result.exception, ConfigError)
    assert f"{run.checkpoint}: is the checkpoint of another run, bn-s1-12345678" in str(result.exception)
    assert {path: path.read_bytes() for path in run.path.iterdir()} == before


def test_the_last_row_is_that_of_the_weights(images: Path, undisturbed: RunFolder, tmp_path: Path) -> None:
    """A row that was tampered with would make a record that contradicts its own predictions."""
    run = stopped_before_the_end(*SMALL, "--data-dir", images, results=tmp_path)
    checkpoint = from_bytes(run.checkpoint.read_bytes(), torch.device("cpu"))
    rows = [row | {"test_accuracy": 1.0, "test_loss": 0.0} for row in checkpoint.rows]
    run.checkpoint.write_bytes(to_bytes(replace(checkpoint, rows=rows)))
    assert "evaluated anew" in train_small(images, tmp_path).stderr
    record = read_record(run)
    assert record.metrics == read_record(undisturbed).metrics
    read_epochs(run, record)
    read_predictions(run, record)

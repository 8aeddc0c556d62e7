"""A checkpoint that is damaged or of another run is not trained on, and the bits of the result stay the same."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from normbench.runs.folder import RunFolder
from normbench.train.checkpoint import Checkpoint, from_bytes, to_bytes
from tests.tiny import SMALL, assert_same_bits, stopped_before_the_end, train_small

DAMAGE = {
    "cut off": lambda content: content[: len(content) // 2],
    "a bit": lambda content: content[:-40_000] + bytes([content[-40_000] ^ 1]) + content[-39_999:],
    "empty": lambda content: b"",
    "of an older version": lambda content: content[:-32],
}


def changed(**fields: object) -> Callable[[Checkpoint], Checkpoint]:
    return lambda checkpoint: checkpoint.model_copy(update=fields)


def with_another_option(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with an option that the optimizer lacks, as after an update of normbench."""
    optimizer = deepcopy(checkpoint.optimizer)
    optimizer["param_groups"][0]["a new one"] = 1
    return checkpoint.model_copy(update={"optimizer": optimizer})


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
        # The weights of another run have the same shapes.
        (
            lambda checkpoint: checkpoint.model_copy(update={"run": "bn-s1-12345678"}),
            "it is of another run, bn-s1-12345678",
        ),
        (changed(fingerprint=5), "its fingerprint is malformed"),
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

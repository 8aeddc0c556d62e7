"""Predictions of four images of two classes, one of them wrong, and records of runs that made them."""

from pathlib import Path
from typing import Any

import numpy as np

from normbench.runs.folder import RunFolder
from tests.records import make_record

LABELS = np.array([0, 0, 1, 1])
CONFIDENT = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.3, 0.7]]))  # the third is wrong


def write_predictions(folder: Path, logits: np.ndarray = CONFIDENT, labels: np.ndarray = LABELS) -> None:
    np.savez_compressed(RunFolder(folder).predictions, labels=labels, logits=logits.astype(np.float16))


def small_record(kind: str = "bn", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A record of a run that had one of four images wrong."""
    return make_record(kind, seed, accuracy=0.75, data__num_eval=4, **changes)

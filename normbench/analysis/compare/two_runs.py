"""McNemar's test of two runs: which images does only one of the networks classify correctly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normbench.analysis.stats.mcnemar import McNemar, mcnemar
from normbench.errors import ConfigError
from normbench.runs.find import find_run
from normbench.runs.read import read_predictions, read_record
from normbench.runs.record import Record
from normbench.text import printable


@dataclass(frozen=True)
class TwoRuns:
    """How many images both networks, or neither, classify correctly; `test` counts those of one network alone."""

    a: Record
    b: Record
    both_right: int
    both_wrong: int
    test: McNemar


def compare_two(name_a: str, name_b: str, places: Sequence[Path]) -> TwoRuns:
    """Compares two runs, each named by its folder, or by its run id or the beginning of it, found below `places`.

    Raises ConfigError for a name that no run or several have, and unless both runs were evaluated on the same images;
    RecordError for a record or predictions that are missing or damaged.
    """
    import numpy as np

    folder_a, folder_b = (find_run(name, places) for name in (name_a, name_b))
    path_a, path_b = folder_a.path, folder_b.path
    a, b = read_record(folder_a), read_record(folder_b)
    for key in ("fingerprint", "evaluated_on", "num_eval"):
        of_a, of_b = getattr(a.data, key), getattr(b.data, key)
        if of_a != of_b:
            raise ConfigError(
                f"--mcnemar: the runs were evaluated on other images: data.{key} is {of_a} in {printable(path_a)}, "
                f"{of_b} in {printable(path_b)}"
            )
    for record, path in ((a, path_a), (b, path_b)):
        if record.metrics is None:
            raise ConfigError(f"--mcnemar: the run in {printable(path)} diverged: it has no predictions")
    labels_a, logits_a = read_predictions(folder_a, a)
    labels_b, logits_b = read_predictions(folder_b, b)
    if not np.array_equal(labels_a, labels_b):
        raise ConfigError(
            f"--mcnemar: the labels in {printable(folder_a.predictions)} and {printable(folder_b.predictions)} differ: "
            "these are not the same images in the same order"
        )
    right_a, right_b = logits_a.argmax(axis=1) == labels_a, logits_b.argmax(axis=1) == labels_b
    return TwoRuns(
        a=a,
        b=b,
        both_right=int((right_a & right_b).sum()),
        both_wrong=int((~right_a & ~right_b).sum()),
        test=mcnemar(right_a, right_b),
    )

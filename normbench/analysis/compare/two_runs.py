"""McNemar's test of two runs: which images does only one of the networks classify correctly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normbench.analysis.stats.mcnemar import McNemar, mcnemar
from normbench.errors import ConfigError
from normbench.runs.folder import RunFolder, find_runs
from normbench.runs.read import read_predictions, read_record
from normbench.runs.record import Record
from normbench.text import listed, nearest, printable


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

    folder_a, folder_b = _find(name_a, places), _find(name_b, places)
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


def _find(name: str, places: Sequence[Path]) -> RunFolder:
    path = Path(name)
    if path.name == RunFolder(path).record.name and path.is_file():
        path = path.parent
    if path.is_dir():
        return RunFolder(path)
    runs = find_runs(places)
    found = [run for run in runs if run.path.name == name] or [run for run in runs if run.path.name.startswith(name)]
    if not found:
        where = ", ".join(printable(place) for place in places)
        near = nearest(name, [run.path.name for run in runs])
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"--mcnemar {printable(name)}: neither a folder nor the id of a run in {where}{hint}")
    if len(found) > 1:
        paths = listed([printable(run.path) for run in found])
        raise ConfigError(f"--mcnemar {printable(name)}: several runs are meant, give the folder of one: {paths}")
    return found[0]

"""Compares the files of a disturbed experiment with those of an undisturbed one."""

import csv
import json
import re
from pathlib import Path
from typing import Any

TIMES = ("timing", "started_at", "finished_at", "resumed_at_epoch")  # the last depends on when a run is killed
TIME_COLUMNS = ("train_s", "eval_s", "images_per_s")
RECORD, METRICS = "run.json", "metrics.csv"
PICTURES = {"curves.png", "misclassified.png"}
UNFINISHED = ("checkpoint.safetensors", "checkpoint.previous.safetensors", "error.log", ".lock", ".lease")
PART = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


def record(path: Path) -> dict[str, Any]:
    """A record without the keys in TIMES. Raises ValueError for half a record."""
    return {key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{key: row[key] for key in row if key not in TIME_COLUMNS} for row in csv.DictReader(file)]


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def half_written(folder: Path) -> int:
    return sum(bool(PART.fullmatch(Path(name).name)) for name in names(folder))


def wrong_in_finished(reference: Path, results: Path) -> list[str]:
    """Differences from an undisturbed experiment: missing files, other files, other contents."""
    expected, found = names(reference), names(results)
    wrong = [f"missing: {name}" for name in sorted(expected - found)]
    wrong += [f"left behind: {name}" for name in sorted(found - expected)]
    return wrong + [f"differs: {name}" for name in sorted(expected & found) if not _same(reference, results, name)]


def wrong_in_unfinished(reference: Path, results: Path) -> list[str]:
    """Differences that even a kill must not cause: a file under its final name that is not whole, a record alone."""
    wrong = []
    for name in sorted(names(results)):
        path = results / name
        if path.name in UNFINISHED or PART.fullmatch(path.name):
            continue
        if not (reference / name).exists():
            wrong.append(f"not of this experiment: {name}")
        elif path.name == METRICS and not (path.parent / RECORD).exists():
            if rows(path) != rows(reference / name)[: len(rows(path))]:
                wrong.append(f"differs: {name}")
        elif path.name != "decisions.json" and not _same(reference, results, name):
            wrong.append(f"differs: {name}")
        if path.name == RECORD:
            beside = {file.name for file in (reference / name).parent.iterdir()}
            if (path.parent / UNFINISHED[0]).exists():  # the next process draws the pictures
                beside -= PICTURES
            wrong += [f"finished without {file}: {name}" for file in beside if not (path.parent / file).exists()]
    return wrong


def _same(reference: Path, results: Path, name: str) -> bool:
    a, b = reference / name, results / name
    read: Any = {RECORD: record, METRICS: rows}.get(a.name, Path.read_bytes)
    try:
        return bool(read(a) == read(b))
    except ValueError:
        return False

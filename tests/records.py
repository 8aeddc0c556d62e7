"""Fake records and run folders: what `normbench train` leaves behind, without training."""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from normbench.analysis.compare.beside import Beside, home_of
from normbench.analysis.compare.compare import Comparison, Options, compare
from normbench.analysis.compare.comparisons import Need, comparisons
from normbench.analysis.compare.run import Run
from normbench.analysis.compare.sets import RunSet, partition
from normbench.runs.folder import RunFolder
from normbench.runs.record import Record

LABELS = {"bn": "BN", "gn": "GN(4)", "ln": "LN", "in": "IN", "none": "none"}
LAYERS = {"bn": "BatchNorm2d", "gn": "GroupNorm", "ln": "GroupNorm", "in": "InstanceNorm2d"}


def make_record(kind: str = "bn", seed: int = 0, accuracy: float = 0.8, **changes: Any) -> dict[str, Any]:
    """The content of a `run.json`. `changes` set dotted keys written with `__`: config__train__batch_size=8."""
    split = changes.pop("split", "test")
    experiment = changes.get("experiment", "default")
    record: dict[str, Any] = {
        "schema_version": 1,
        "run_id": f"{kind}-s{seed}-1a2b3c4d",
        "experiment": experiment,
        "status": "finished",
        "label": LABELS.get(kind, kind.upper()),
        "seed": seed,
        "config": {
            "name": experiment,
            "norm": {"kind": kind, "eps": 1e-5, "affine": True} | ({"num_groups": 4} if kind == "gn" else {}),
            "model": {"name": "reference", "dropout": 0.0},
            "data": {
                "source": "folder",
                "dir": "/data/images",
                "urls": [],
                "augment": [{"name": "flip", "p": 0.5}, {"name": "translate", "pixels": 2}],
                "evaluate_on": split,
            },
            "train": {
                "epochs": 20,
                "batch_size": 64,
                "precision": "auto",
                "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 2e-4},
                "schedule": {"name": "linear", "warmup": 0.2},
            },
            "seeds": [seed],
            "budget": {"max_parameters": 49_999, "max_epochs": 20},
        },
        "data": {
            "source": "folder",
            "fingerprint": "ab" * 32,
            "classes": ["cat", "dog"],
            "num_train": 50_000,
            "num_eval": 10_000,
            "evaluated_on": split,
        },
        "model": {
            "num_parameters": 40_394,
            "norm_layers": {LAYERS[kind]: 8} if kind in LAYERS else {},
            "norm_parameters": 416,
            "norm_buffers": 0,
            "macs": 11_000_000,
        },
        "metrics": {
            "train_loss": 0.61,
            "train_accuracy": min(accuracy + 0.01, 1.0),
            f"{split}_loss": 0.62,
            f"{split}_accuracy": accuracy,
            f"{split}_errors": round((1 - accuracy) * changes.get("data__num_eval", 10_000)),
        },
        "diverged": None,
        "timing": {
            "train_s": 250.0,
            "eval_s": 20.0,
            "train_s_per_epoch": 12.5,
            "eval_s_per_epoch": 1.0,
            "images_per_s": 4000.0,
            "peak_memory_bytes": 2**29,
        },
        "device": "cpu",
        "precision": "bf16",
        "environment": {"normbench": "0.1.0", "python": "3.12.3", "torch": "2.15.0", "cpu": "a CPU", "threads": 2},
        "git_commit": None,
        "started_at": "2026-01-02T03:00:00+00:00",
        "finished_at": "2026-01-02T03:04:05+00:00",
    }
    for key, value in changes.items():
        *sections, name = key.split("__")
        target = record
        for section in sections:
            target = target[section]
        target[name] = value
    return record


def make_diverged(kind: str = "bn", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A record of a run that diverged: no metrics."""
    record = make_record(kind, seed, **changes)
    metrics = dict.fromkeys(record["metrics"])
    where = {"epoch": 3, "step": 812, "loss": "nan"}
    return record | {"status": "diverged", "metrics": metrics, "diverged": where}


def write_run(results: Path, record: dict[str, Any]) -> Path:
    """Puts the record where a run has it; returns the run's folder."""
    folder = results / record["experiment"] / record["run_id"]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def as_runs(records: Iterable[dict[str, Any]]) -> list[Run]:
    """The runs that these contents of `run.json` describe, in folders that do not exist."""
    return [
        Run(Record.model_validate(record), RunFolder(Path(record["experiment"]) / record["run_id"]))
        for record in records
    ]


def sets_of(records: Iterable[dict[str, Any]], by: str | None = None) -> list[RunSet]:
    """The sets of these runs, which no sweep planned."""
    runs = as_runs(records)
    return partition(runs, by, {home_of(run): Beside() for run in runs})


def compare_records(records: Iterable[dict[str, Any]], options: Options | None = None) -> tuple[Comparison, list[str]]:
    """The comparison of runs that are one set, and notes."""
    (found,) = sets_of(records, options.by if options else None)
    return compare(found, options)


def compare_folder(
    path: Path, where: Sequence[str] = (), options: Options | None = None, needs: Collection[Need] = ()
) -> tuple[Comparison, list[str]]:
    """The comparison of runs in a folder that are one set, and notes."""
    found = comparisons([path], where, options, needs)
    (comparison,) = found.shown
    return comparison, list(found.notes)

"""A comparison of norms as a table."""

from collections.abc import Mapping
from typing import Any

from normbench.analysis.compare import Comparison
from normbench.analysis.rows import NormRow
from normbench.analysis.statistics import Estimate
from normbench.present.tables import Cell, Table, Value

NOT_KNOWN = "-"
USUAL_TEST_SIZE = 10_000


def comparison_table(comparison: Comparison) -> Table:
    """A row a norm: accuracies in %, losses as mean cross-entropy, errors in images, each a mean over seeds."""
    split = comparison.split
    title = split.capitalize()
    shown = [
        ("Train Acc", lambda row: _interval(row.metrics["train_accuracy"], 100, 2)),
        (f"{title} Acc", lambda row: _interval(row.metrics[f"{split}_accuracy"], 100, 2)),
        ("Train Loss", lambda row: _interval(row.metrics["train_loss"], 1, 3)),
        (f"{title} Loss", lambda row: _interval(row.metrics[f"{split}_loss"], 1, 3)),
        ("Params", lambda row: f"{row.num_parameters:,}"),
        (f"{title} errors", lambda row: _mean(row.metrics[f"{split}_errors"])),
        ("s/epoch", lambda row: NOT_KNOWN if row.train_s_per_epoch is None else f"{row.train_s_per_epoch:.1f}"),
    ]
    return Table(
        title=f"Normalization layers compared on {comparison.source} data",
        columns=("Norm", "n", *(name for name, _ in shown)),
        rows=tuple((row.label, _count(row), *(cell(row) for _, cell in shown)) for row in comparison.rows),
        records=tuple(_record(row, comparison) for row in comparison.rows),
        notes=tuple(_notes(comparison)),
    )


def _interval(estimate: Estimate, scale: float, digits: int) -> Cell:
    if estimate.mean is None:
        return NOT_KNOWN
    mean = f"{scale * estimate.mean:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return mean
    return mean, f"[{scale * estimate.low:.{digits}f},", f"{scale * estimate.high:.{digits}f}]"


def _mean(estimate: Estimate) -> str:
    if estimate.mean is None:
        return NOT_KNOWN
    return f"{estimate.mean:,.0f}"


def _count(row: NormRow) -> Cell:
    return (str(row.n), f"+{len(row.diverged_seeds)} div.") if row.diverged_seeds else str(row.n)


def _record(row: NormRow, comparison: Comparison) -> dict[str, Value]:
    """Accuracies are fractions here, as in run.json."""
    record: dict[str, Value] = {"norm": row.label, "n": row.n, "seeds": " ".join(map(str, row.seeds))}
    record["diverged"] = len(row.diverged_seeds)
    for name, estimate in row.metrics.items():
        record |= {
            name: estimate.mean,
            f"{name}_std": estimate.std,
            f"{name}_low": estimate.low,
            f"{name}_high": estimate.high,
        }
    environment = {key.rpartition(".")[2]: _one(found) for key, found in comparison.environment.items()}
    return record | {
        "why_no_interval": row.metrics["train_accuracy"].why_undefined,
        "confidence": comparison.confidence,
        "num_parameters": row.num_parameters,
        "norm_layers": _layers(row),
        "train_s_per_epoch": row.train_s_per_epoch,
        "data": comparison.source,
        "data_fingerprint": comparison.fingerprint,
        "num_train": comparison.num_train,
        f"num_{comparison.split}": comparison.num_eval,
        "experiment": "; ".join(comparison.experiments),
        **{key: environment.get(key) for key in ("device", "precision", "cpu", "gpu", "threads", "torch")},
    }


def _one(found: tuple[str, ...]) -> Value:
    known = [value for value in found if value != "null"]
    if len(known) == 1 and known[0].isdecimal():
        return int(known[0])
    return "; ".join(known) or None


def _notes(comparison: Comparison) -> list[str]:
    split, rows = comparison.split, comparison.rows
    augmented = " with augmentation" if comparison.recipe.get("data.augment") else ""
    notes = [
        f"Data: {comparison.source}, {comparison.num_train:,} train and {comparison.num_eval:,} {split} images, "
        f"fingerprint {comparison.fingerprint[:8]}.",
        f"Experiment: {', '.join(comparison.experiments)}{_recipe(comparison.recipe)}.",
        f"Machine: {_machine(comparison.environment)}.",
        f"Norm layers as built: {'; '.join(f'{row.label}: {_layers(row)}' for row in rows)}.",
        f"Train metrics are running means over the last epoch, in training mode{augmented}; "
        f"{split} metrics are those after the last epoch. Acc in %, loss: mean cross-entropy, s/epoch: median.",
    ]
    if split == "val":
        notes.append("Val: images held out of the training set; the test set was not looked at.")
    if any(row.n > 1 for row in rows):
        notes.append(
            f"[low, high]: {comparison.confidence:.0%} t interval of a norm's mean over its n seeds; "
            "by itself it does not say whether two norms differ."
        )
    if any(row.n == 1 for row in rows):
        notes.append(_single_run_note(comparison))
    if any(row.diverged_seeds for row in rows):
        notes.append("div.: runs that diverged, counted beside n and in no mean.")
    return notes


def _single_run_note(comparison: Comparison) -> str:
    if comparison.num_eval < USUAL_TEST_SIZE:
        return (
            f"n = 1: no interval, no verdict. On {comparison.num_eval:,} images single runs differ by points of "
            "accuracy through seed and chance alone."
        )
    return (
        "n = 1: no interval, no verdict. One run against one run says nothing about differences "
        "below about 0.7 points of accuracy: train more seeds."
    )


def _recipe(recipe: Mapping[str, Any]) -> str:
    named = {
        "model.name": "network {}",
        "train.epochs": "{} epochs",
        "train.batch_size": "batch size {}",
        "train.optimizer.name": "{}",
        "train.optimizer.lr": "lr {}",
    }
    return "".join(f", {text.format(recipe[key])}" for key, text in named.items() if key in recipe)


def _machine(environment: Mapping[str, tuple[str, ...]]) -> str:
    def found(key: str) -> str:
        return " or ".join(value for value in environment.get(key, ()) if value != "null")

    named = {
        "device": "{}",
        "precision": "{}",
        "environment.gpu": "{}",
        "environment.cpu": "{}",
        "environment.threads": "threads: {}",
        "environment.torch": "torch {}",
        "environment.python": "Python {}",
        "environment.normbench": "normbench {}",
    }
    return ", ".join(text.format(found(key)) for key, text in named.items() if found(key))


def _layers(row: NormRow) -> str:
    return ", ".join(f"{count} {name}" for name, count in row.norm_layers.items()) or "none"

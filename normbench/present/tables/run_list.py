"""The runs there are, one row each; a run with all that is known of it; and in what two of them differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from normbench.analysis.compare.differences import Differences
from normbench.analysis.compare.facts import facts, show_value
from normbench.analysis.compare.listing import ListedRun
from normbench.analysis.compare.rows import metrics_of
from normbench.analysis.stats.metrics import IMAGES, Metric, metrics_of_split
from normbench.present.tables.numbers import number
from normbench.present.tables.table import NOT_KNOWN, Table, Value
from normbench.runs.folder import RunFolder
from normbench.runs.record import Record
from normbench.text import plural, printable


def run_list(runs: Sequence[ListedRun]) -> Table:
    """Run id, norm, seed, setting, status, accuracy in % on the held-out images, date."""
    experiments = dict.fromkeys(run.experiment for run in runs)
    apart = ("Experiment",) if len(experiments) > 1 else ()
    settings = ("Setting",) if any(run.setting for run in runs) else ()
    damaged = [run for run in runs if run.status == "damaged"]
    return Table(
        title=plural(len(runs), "run") + ("" if apart else f" of {printable(next(iter(experiments), ''))}"),
        columns=("Run", *apart, "Norm", "Status", *settings, "Seed", "Acc", "Finished"),
        rows=tuple(
            (
                printable(run.folder.path.name),
                *([printable(run.experiment)] if apart else []),
                printable(run.label or NOT_KNOWN),
                f"unfinished, {run.why}" if run.status == "unfinished" else run.status,
                *([printable(", ".join(run.setting))] if settings else []),
                NOT_KNOWN if run.seed is None else str(run.seed),
                number(_accuracy(run.record), 100, 2),
                run.record.finished_at[:10] if run.record else NOT_KNOWN,
            )
            for run in runs
        ),
        records=tuple(_record(run) for run in runs),
        notes=tuple(printable(run.why) for run in damaged),
        num_text_columns=len(apart) + len(settings) + 3,
        wraps=bool(settings),
        dispensable=("Finished", "Seed", "Norm"),  # the id of a run begins with its norm and seed
        name="runs",
    )


def run_facts(folder: RunFolder, record: Record) -> Table:
    """All that is known of a run that is over: a key and its value in each row."""
    metrics = metrics_of_split(record.data.evaluated_on)
    found = {key: value for key, value in metrics_of(record).items() if key in metrics}
    about: dict[str, Any] = {key: value for key, value in facts(record).items() if value is not None}
    rows: dict[str, str] = {
        "folder": printable(folder.path),
        **{key: _with_unit(metrics[key], value) for key, value in found.items()},
        **({"diverged": f"at step {record.diverged.step} of epoch {record.diverged.epoch}"} if record.diverged else {}),
        "finished_at": record.finished_at,
        "train_s": number(record.timing.train_s, 1, 1),
        "model.num_parameters": f"{record.model.num_parameters:,}",
        **{key: printable(show_value(value, key)) for key, value in about.items()},
    }
    return Table(
        title=f"{record.label}, seed {record.seed}: {record.status}",
        columns=("Key", "Value"),
        rows=tuple(rows.items()),
        records=tuple({"key": key, "value": value} for key, value in rows.items()),
        num_text_columns=2,
        wraps=True,
        name="run",
    )


def differences_table(a: Record, b: Record, found: Differences) -> Table:
    """The settings, data and environment in which two runs differ, and then every metric of both."""
    metrics = metrics_of_split(a.data.evaluated_on) | metrics_of_split(b.data.evaluated_on)
    rows = {key: (printable(of_a), printable(of_b)) for key, (of_a, of_b) in found.facts.items()}
    for key, (of_a, of_b) in found.metrics.items():
        rows[key] = (_with_unit(metrics[key], of_a), _with_unit(metrics[key], of_b))
    return Table(
        title="In what these two runs differ, and what they scored",
        columns=("Key", printable(a.run_id), printable(b.run_id)),
        rows=tuple((key, *values) for key, values in rows.items()),
        records=tuple({"key": key, "a": of_a, "b": of_b} for key, (of_a, of_b) in rows.items()),
        notes=(
            "Two runs say nothing about their norms: seeds differ too. normbench compare takes several seeds of each.",
        ),
        num_text_columns=3,
        wraps=True,
        name="differences",
    )


def environment_table(known: Mapping[str, Any]) -> Table:
    """The facts of this machine and installation, one per row."""
    rows = {key: "none" if value is None else printable(show_value(value)) for key, value in known.items()}
    return Table(
        title="For a bug report",
        columns=("What", "Value"),
        rows=tuple(rows.items()),
        records=tuple({"what": key, "value": value} for key, value in rows.items()),
        num_text_columns=2,
        wraps=True,
        name="environment",
    )


def _accuracy(record: Record | None) -> float | None:
    return record.metrics.held_out.accuracy if record and record.metrics else None


def _with_unit(metric: Metric, value: float | None) -> str:
    digits = metric.digits if metric.unit is IMAGES else metric.full_digits  # of one run, images are whole
    text = number(value, metric.unit.scale, digits, signed=metric.signed)
    return text if value is None else f"{text} {metric.unit.name}"


def _record(run: ListedRun) -> dict[str, Value]:
    return {
        "run_id": run.folder.path.name,
        "experiment": run.experiment,
        "norm": run.label,
        "seed": run.seed,
        "setting": ", ".join(run.setting),
        "status": run.status,
        "accuracy": _accuracy(run.record),
        "evaluated_on": run.record.data.evaluated_on if run.record else None,
        "finished_at": run.record.finished_at if run.record else None,
        "why": run.why or None,
        "folder": str(run.folder.path),
    }

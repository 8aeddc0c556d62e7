"""Runs of MLflow: a parent for each norm and setting, with mean, interval and verdicts; a child for each seed."""

import hashlib
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.rows import NormRow, metrics_of, when
from normbench.analysis.compare.run import Run
from normbench.analysis.stats.pairs import Pair
from normbench.errors import ConfigError
from normbench.export.history import config_of, tagged
from normbench.runs.read import RecordError
from normbench.text import listed

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY, DIGEST = "normbench.key", "normbench.digest"
"""Tags of what this module writes: by the key a run is found again, by the digest a change is found."""
_MOST = 1000
"""Metrics in a request of MLflow."""


@dataclass(frozen=True)
class Entry:
    """A run of MLflow. `key` is unlike those of other entries; `steps` are metrics by step."""

    key: str
    name: str
    start: datetime
    end: datetime
    params: Mapping[str, str]
    tags: Mapping[str, str]
    steps: Sequence[tuple[int, Mapping[str, float]]]
    is_failed: bool = False
    children: tuple["Entry", ...] = field(default=(), repr=False)

    @property
    def digest(self) -> str:
        """Of the entry without its children."""
        own = {name: value for name, value in asdict(self).items() if name != "children"}
        return _digest(own)


def write_mlflow(found: Sequence[Comparison], to: str) -> tuple[int, int]:
    """Writes the runs of the comparisons to the tracking store `to`, e.g. `sqlite:///mlflow.db`.

    An experiment of MLflow has the name of the experiment. What is there already and unchanged is left alone; a run
    that has changed is deleted, as MLflow deletes, and written anew. Returns (written, left alone).

    Raises ConfigError without MLflow, and for a store that cannot be opened or written.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise ConfigError("MLflow is not installed: pip install 'normbench[mlflow]'") from None
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a server that is not there is said within seconds
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table that it makes
    written = unchanged = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of MLflow's own calls of SQLAlchemy
            client = MlflowClient(tracking_uri=to)
            for comparison in found:
                for is_new in _put_all(client, comparison):
                    written, unchanged = written + is_new, unchanged + (not is_new)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"--to {to}: {why}") from error
    return written, unchanged


def _put_all(client: "MlflowClient", comparison: Comparison) -> Iterator[bool]:
    """For each entry whether it was written."""
    experiment = _experiment(client, " + ".join(comparison.experiments))
    for parent in entries(comparison):
        is_new, parent_id = _put(client, experiment, parent, {})
        yield is_new
        for child in parent.children:
            yield _put(client, experiment, child, {"mlflow.parentRunId": parent_id})[0]


def entries(comparison: Comparison) -> list[Entry]:
    """A parent for each row of a comparison, with a child for each of its runs."""
    return [_parent(comparison, row) for row in comparison.rows]


def _parent(comparison: Comparison, row: NormRow) -> Entry:
    children = tuple(_child(run) for run in row.runs)
    settings = {key: str(value) for key, value in config_of(row.runs[0].record).items()}
    seeds = listed([str(seed) for seed in row.seeds]) or "none"
    pairs = [pair for pair in comparison.pairs if row.label in (pair.a, pair.b) and pair.by == row.by]
    accuracy = row.metrics.get(f"{comparison.split}_accuracy")
    numbers: dict[str, float] = {"n": row.n}
    for key, estimate in row.metrics.items():
        for name, value in (
            ("", estimate.mean),
            ("/std", estimate.std),
            ("/low", estimate.low),
            ("/high", estimate.high),
        ):
            if value is not None:
                numbers[f"mean/{key}{name}"] = value
    for pair in pairs:
        sign = 1 if pair.a == row.label else -1
        if pair.difference.difference is not None:
            numbers[f"points_above/{_other(pair, row)}"] = sign * pair.difference.difference
    verdicts = {f"verdict.{_other(pair, row)}": f"{pair.verdict.kind}: {pair.verdict.text}" for pair in pairs}
    mean = "no finished run" if accuracy is None or accuracy.mean is None else f"{accuracy.mean:.2%}"
    if accuracy is not None and accuracy.low is not None and accuracy.high is not None:
        mean += f" [{accuracy.low:.2%}, {accuracy.high:.2%}]"
    said = "\n".join([f"{comparison.split} accuracy {mean}, n = {row.n}", *(f"- {text}" for text in verdicts.values())])
    tags = {"norm": row.label, "seeds": seeds, "data": comparison.data, "mlflow.note.content": said, **verdicts}
    return Entry(
        key=_digest([comparison.experiments, row.norm, settings]),
        name=row.label,
        start=min(child.start for child in children),
        end=max(child.end for child in children),
        params={"norm": row.label, **settings},
        tags=tags,
        steps=[(0, numbers)],
        children=children,
    )


def _child(run: Run) -> Entry:
    record, end = run.record, when(run.record)
    epochs = [] if isinstance(run.epochs, RecordError) else list(run.epochs)
    try:
        start = datetime.fromisoformat(record.started_at) if record.started_at else end
    except ValueError:
        start = end
    steps: list[tuple[int, Mapping[str, float]]] = [(int(epoch["epoch"]), tagged(epoch)) for epoch in epochs]
    last = {f"final/{key}": value for key, value in metrics_of(record).items()}
    folder = run.folder.path.absolute()
    return Entry(
        key=_digest([record.experiment, record.run_id]),
        name=record.run_id,
        start=start if start.tzinfo else start.replace(tzinfo=end.tzinfo),
        end=end,
        params={"norm": record.label, "seed": str(record.seed), **{k: str(v) for k, v in config_of(record).items()}},
        tags={
            "norm": record.label,
            "folder": str(folder),
            "mlflow.note.content": f"Record, curves, weights and pictures are in {folder}",
            "mlflow.source.name": "normbench",
            "mlflow.source.git.commit": record.git_commit or "",
            **{f"environment.{key}": str(value) for key, value in record.environment.items() if value is not None},
        },
        steps=[*steps, (steps[-1][0] if steps else 0, last)],
        is_failed=record.metrics is None,
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()[:16]


def _other(pair: Pair, row: NormRow) -> str:
    return pair.b if pair.a == row.label else pair.a


def _name(text: str) -> str:
    """MLflow allows letters, digits and a few signs in the name of a metric, parameter or tag; `GN(4)` is `GN 4`."""
    return re.sub(r"[^\w.: /-]+", " ", text, flags=re.ASCII).strip()


def _experiment(client: "MlflowClient", name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _put(client: "MlflowClient", experiment: str, entry: Entry, links: Mapping[str, str]) -> tuple[bool, str]:
    """(whether the entry was written, the id of its run in MLflow); the tags `links` are brought up to date."""
    for run in client.search_runs([experiment], filter_string=f"tags.`{KEY}` = '{entry.key}'"):
        if run.data.tags.get(DIGEST) == entry.digest:
            for name, value in links.items():
                if run.data.tags.get(name) != value:
                    client.set_tag(run.info.run_id, name, value)
            return False, str(run.info.run_id)
        client.delete_run(run.info.run_id)
    return True, _create(client, experiment, entry, links)


def _create(client: "MlflowClient", experiment: str, entry: Entry, links: Mapping[str, str]) -> str:
    from mlflow.entities import Metric, Param, RunTag

    start, end = (int(time.timestamp() * 1000) for time in (entry.start, entry.end))
    run_id = str(client.create_run(experiment, start_time=start, run_name=entry.name, tags=dict(links)).info.run_id)
    client.log_batch(
        run_id,
        params=[Param(_name(key), value) for key, value in entry.params.items()],
        tags=[RunTag(_name(key), value) for key, value in {**entry.tags, KEY: entry.key}.items()],
    )
    metrics = [Metric(_name(key), value, end, step) for step, found in entry.steps for key, value in found.items()]
    for first in range(0, len(metrics), _MOST):
        client.log_batch(run_id, metrics=metrics[first : first + _MOST])
    client.set_terminated(run_id, "FAILED" if entry.is_failed else "FINISHED", end_time=end)
    client.set_tag(run_id, DIGEST, entry.digest)  # last: a run without it was cut short, and is written anew
    return run_id

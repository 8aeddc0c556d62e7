"""Event files for TensorBoard: the curves of every run, and its settings for the plugin "hparams"."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normbench.analysis.compare.rows import metrics_of, when
from normbench.analysis.compare.run import Run
from normbench.errors import ConfigError
from normbench.export.history import Value, settings_of, tagged
from normbench.files import make_writable, write_bytes_atomically
from normbench.runs.read import RecordError
from normbench.runs.record import Record

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

EVENTS = "events.out.tfevents.0000000000.normbench"
"""The one event file of a run. TensorBoard finds it by the beginning; the same export writes over it."""


def write_events(runs: Sequence[Run], output: Path) -> list[str]:
    """One folder per run, `<output>/<experiment>/<run id>`, with one event file, written anew each time.

    The tags are `loss/train`, `loss/test`, `accuracy/train`, ...: those of all runs are in one chart. The runs of one
    norm and setting are one group of "hparams", which averages over their seeds. Returns notes on runs without curves.

    Raises ConfigError without TensorBoard, and for a folder that cannot be written.
    """
    _check_installed()
    settings = settings_of([run.record for run in runs])
    notes = []
    for run, found in zip(runs, settings, strict=True):
        folder = output / run.record.experiment / run.record.run_id
        if isinstance(run.epochs, RecordError):
            notes.append(f"without curves: {run.epochs}")
        make_writable(folder)
        write_bytes_atomically(folder / EVENTS, _events(run, found))
    return notes


def _check_installed() -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ConfigError("TensorBoard is not installed: pip install 'normbench[tensorboard]'") from None


def _events(run: Run, settings: Mapping[str, Value]) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import summary_v2
    from tensorboard.summary.writer.record_writer import RecordWriter

    record = run.record
    end = when(record).timestamp()
    epochs = [] if isinstance(run.epochs, RecordError) else list(run.epochs)
    start = end - sum(epoch.get("train_s", 0.0) + epoch.get("eval_s", 0.0) for epoch in epochs)
    content = io.BytesIO()
    writer = RecordWriter(content)

    def put(time: float, step: int = 0, **what: Any) -> None:
        writer.write(Event(wall_time=time, step=step, **what).SerializeToString())

    put(start, file_version="brain.Event:2")
    hparams = {key: "none" if value is None else value for key, value in settings.items()}
    put(start, summary=summary_v2.hparams_pb(hparams, trial_id=_group(record, settings), start_time_secs=start))
    time = start
    for epoch in epochs:
        time += epoch.get("train_s", 0.0) + epoch.get("eval_s", 0.0)
        put(time, int(epoch["epoch"]), summary=_scalars(tagged(epoch)))
    put(end, int(epochs[-1]["epoch"]) if epochs else 0, summary=_scalars(_final(record)))
    return content.getvalue()


def _group(record: Record, settings: Mapping[str, Value]) -> str:
    return ", ".join([record.experiment, *(f"{key}={value}" for key, value in settings.items())])


def _final(record: Record) -> dict[str, float]:
    """The metrics of the whole run, which "hparams" shows."""
    return {f"final/{key}": value for key, value in metrics_of(record).items()}


def _scalars(values: Mapping[str, float]) -> "Summary":
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])

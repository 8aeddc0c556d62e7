"""A run while it trains: a header, a bar on a terminal, one line an epoch."""

import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from normbench.models.count import count_norms, count_parameters
from normbench.norms import norm_label
from normbench.runs.execute import EpochDone, Event, Finished, Prepared, Step
from normbench.runs.record import Record, Timing
from normbench.text import printable

REFRESH_S = 0.2


def follow(events: Iterable[Event], console: Console, *, quiet: bool) -> Record:
    """Shows the events of one run on `console` as they come; returns the run's record.

    On a terminal a bar runs under the epoch lines; piped output has plain lines only. `quiet` shows nothing.
    """
    progress = Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]:,.0f} images/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )
    record: Record | None = None
    with progress:
        task = progress.add_task("train", total=None, start=False, visible=False, epoch=0, rate=0.0)
        last_shown = 0.0
        total_epochs = 0
        for event in events:
            match event:
                case Prepared():
                    total_epochs = event.config.train.epochs
                    if not quiet:
                        print_header(event, console)
                case Step() if (now := time.monotonic()) - last_shown > REFRESH_S:
                    last_shown = now
                    if not progress.tasks[0].started:
                        progress.start_task(task)
                    progress.update(
                        task,
                        visible=True,
                        total=total_epochs * event.num_steps,
                        completed=event.epoch * event.num_steps + event.step,
                        epoch=f"{event.epoch + 1}/{total_epochs}",
                        rate=event.images_per_s,
                    )
                case EpochDone() if not quiet:
                    console.print(epoch_line(event.row, total_epochs), highlight=False, soft_wrap=True)
                case Finished():
                    record = event.record
                    if event.already and not quiet:
                        console.print("finished already; --restart trains it again", highlight=False, soft_wrap=True)
    assert record is not None  # the last event of a run is Finished
    return record


def print_header(run: Prepared, console: Console) -> None:
    """What is about to be trained, as built."""
    norms = count_norms(run.model)
    layers = ", ".join(f"{count} {name}" for name, count in norms["norm_layers"].items()) or "no norm layers"
    num_parameters = count_parameters(run.model)
    budget = run.config.budget.max_parameters
    train, setting = run.config.train, run.setting
    threads = run.environments[-1]["threads"]
    of_budget = f" (budget: at most {budget:,})" if budget is not None else " (no budget)"
    lines = {
        "norm": f"{norm_label(run.config.norm.name, run.config.norm.options)}: {layers}",
        "network": f"{run.config.model.name}, {num_parameters:,} parameters{of_budget}",
        "data": f"{run.dataset.source}: {len(run.train.labels):,} train, {len(run.held_out.labels):,} "
        f"{run.config.data.evaluate_on} images, {len(run.dataset.class_names)} classes",
        "recipe": f"{run.config.name}: {train.epochs} epochs, batch {train.batch_size}, {train.optimizer.name} "
        f"lr {train.optimizer.options.get('lr')}, seed {run.config.seed}",
        "machine": f"{setting.device.type}, {threads} thread{'s' if threads > 1 else ''}, {setting.precision}"
        + (" (measured to be the faster here)" if train.precision == "auto" else ""),
        "folder": str(run.folder.path),
    }
    if run.resumed:
        position = run.resumed.position
        lines["resumed"] = f"in epoch {position.epoch + 1} after {position.step} steps"
    print_fields(lines, console)


def epoch_line(row: dict[str, float], epochs: int) -> str:
    """At most 80 columns."""
    split = "val" if "val_loss" in row else "test"
    return (
        f"epoch {row['epoch']:>2.0f}/{epochs}  train {row['train_accuracy']:6.2%} loss {row['train_loss']:.3f}"
        f"  {split} {row[f'{split}_accuracy']:6.2%} loss {row[f'{split}_loss']:.3f}"
        f"  {row['train_s']:.1f} s"
    )


def print_result(record: Record, folder: Path, console: Console) -> None:
    """The last epoch's metrics and where the rest lies."""
    if record.metrics is None:
        lines = {"status": "diverged"}
    else:
        train, held_out, data = record.metrics.train, record.metrics.held_out, record.data
        lines = {
            "train": f"{train.accuracy:.2%}  loss {train.loss:.4f}  (running means, last epoch)",
            data.evaluated_on: f"{held_out.accuracy:.2%}  loss {held_out.loss:.4f}  "
            f"({held_out.errors:,} of {data.num_eval:,} {data.source} images wrong)",
            "time": _times(record.timing),
        }
    print_fields(lines | {"folder": str(folder)}, console)


def _times(timing: Timing) -> str:
    per_epoch = "" if timing.train_s_per_epoch is None else f"{timing.train_s_per_epoch:.1f} s an epoch, "
    in_all = f"{timing.train_s + timing.eval_s:,.0f} s in all"
    return f"{per_epoch}{in_all}, peak memory {timing.peak_memory_bytes / 2**20:,.0f} MiB"


def print_fields(fields: dict[str, str], console: Console) -> None:
    for key, text in fields.items():
        console.print(Text.assemble((f"{key:>8}", "bold"), f"  {printable(text)}"), soft_wrap=True)

"""A run while it trains: a header, a line for each epoch, and on a terminal a progress bar."""

import textwrap
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from normbench.config import Config
from normbench.norms import norm_label
from normbench.runs.events import EpochDone, Event, Finished, Started, Step
from normbench.runs.folder import RunFolder
from normbench.runs.record import AlsoTest, Record, Timing
from normbench.text import plural, printable_lines

LIVE_TEXT = 72
"""Columns of the live line without its bar, with numbers of the usual length."""


class RunView:
    """A context manager that shows the events of one run on `console`.

    On a terminal a progress bar stands below the lines of the epochs; piped output has the lines only. `quiet` shows
    nothing.
    """

    def __init__(self, config: Config, folder: RunFolder, console: Console, *, quiet: bool) -> None:
        self._config, self._folder, self._console, self._quiet = config, folder, console, quiet
        self._num_epochs = config.train.epochs
        self._row: Mapping[str, float] = {}
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=max(4, min(40, console.width - LIVE_TEXT))),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[metrics]}"),
            TextColumn("{task.fields[rate]:,.0f} images/s"),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task(
            "train", total=None, start=False, visible=False, epoch=0, metrics="", rate=0.0
        )

    def __enter__(self) -> "RunView":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        match event:
            case Step():
                self._move_bar(event)
            case Started() if not self._quiet:
                print_header(self._config, self._folder, event, self._console)
            case EpochDone(row):
                self._row = row
                if not self._quiet:
                    self._console.print(epoch_line(row, self._num_epochs), highlight=False, soft_wrap=True)
            case Finished(already=True) if not self._quiet:
                line = "finished already; --restart trains it again"
                self._console.print(line, highlight=False, soft_wrap=True)

    def _move_bar(self, step: Step) -> None:
        if not self._progress.tasks[0].started:
            self._progress.start_task(self._task)
        self._progress.update(
            self._task,
            visible=True,
            total=self._num_epochs * step.num_steps,
            completed=step.epoch * step.num_steps + step.step,
            epoch=f"{step.epoch + 1}/{self._num_epochs}",
            metrics=self._metrics(step),
            rate=step.images_per_s,
        )

    def _metrics(self, step: Step) -> str:
        """Loss and accuracy of the epoch so far, else of the epoch before."""
        if step.loss is not None and step.accuracy is not None:
            return f"loss {step.loss:.3f}  train {step.accuracy:5.1%}"
        return f"loss {self._row['train_loss']:.3f}  train {self._row['train_accuracy']:5.1%}" if self._row else ""


def print_header(config: Config, folder: RunFolder, run: Started, console: Console) -> None:
    """Prints what is about to be trained: network, data, recipe, machine, folder."""
    layers = ", ".join(f"{count} {name}" for name, count in run.norm_layers.items()) or "no norm layers"
    budget = config.budget.max_parameters
    train = config.train
    watched = f"{run.num_watched:,} val, " if run.num_watched else ""
    of_budget = f" (budget: at most {budget:,})" if budget is not None else " (no budget)"
    lines = {
        "norm": f"{norm_label(config.norm.name, config.norm.options)}: {layers}",
        "network": f"{config.model.name}, {run.num_parameters:,} parameters{of_budget}",
        "data": f"{run.data}: {run.num_train:,} train, {watched}{run.num_held_out:,} "
        f"{config.data.evaluate_on} images, {run.num_classes} classes",
        "recipe": f"{config.name}: {plural(train.epochs, 'epoch')}, batch {train.batch_size}, {train.optimizer.name} "
        f"lr {train.optimizer.options.get('lr')}, seed {config.seed}",
        "machine": f"{run.device}{f' ({run.kernel_level})' if run.kernel_level else ''}, "
        f"{plural(run.threads, 'thread')}, {run.precision}"
        + (", as decided once for this experiment" if train.precision == "auto" else "")
        + _engine(run.engine, train.engine),
        "folder": str(folder.path),
    }
    if run.kernels_off:
        lines["kernels"] = run.kernels_off.removeprefix("kernels ")
    if run.resumed_at:
        epoch, step = run.resumed_at
        lines["resumed"] = f"in epoch {epoch + 1} after {step} steps"
    print_fields(lines, console)


def _engine(used: str, configured: str) -> str:
    """What the line of the machine says of an engine that is not the usual one."""
    names = {"eager": "PyTorch's eager mode", "compile": "torch.compile"}
    if used not in names:
        return ""
    return f"; network by {names[used]}" + (", measured to be the fastest here" if configured == "auto" else "")


def epoch_line(row: Mapping[str, float], epochs: int) -> str:
    """One row of metrics.csv in at most 80 columns."""
    split = "test" if "test_loss" in row else "val"
    return (
        f"epoch {row['epoch']:>2.0f}/{epochs}  train {row['train_accuracy']:6.2%} loss {row['train_loss']:.3f}"
        f"  {split} {row[f'{split}_accuracy']:6.2%} loss {row[f'{split}_loss']:.3f}"
        f"  {row['train_s']:.1f} s"
    )


def print_result(record: Record, folder: RunFolder, console: Console) -> None:
    """Prints the metrics of the last epoch, times, the run's folder and the files in it."""
    if record.metrics is None:
        lines = {"status": "diverged"}
    else:
        train, held_out, data = record.metrics.train, record.metrics.held_out, record.data
        lines = {
            "train": f"{train.accuracy:.2%}  loss {train.loss:.4f}  (running means, last epoch)",
            data.evaluated_on: f"{held_out.accuracy:.2%}  loss {held_out.loss:.4f}  "
            f"({held_out.errors:,} of {data.num_eval:,} images wrong)",
            **({"also": _also(record.also_test)} if record.also_test else {}),
            "time": _times(record.timing),
        }
    print_fields(lines | {"folder": str(folder.path)}, console)
    if names := [path.name for path in folder.outputs()]:
        indent = f"{'':>10}"
        text = textwrap.fill(", ".join(names), max(console.width, 40), initial_indent=indent, subsequent_indent=indent)
        print_fields({"files": text.removeprefix(indent)}, console)


def _also(found: AlsoTest) -> str:
    """The accuracy on further test images, and the worst corruption."""
    by = found.by_corruption or {}
    worst = min(by, key=lambda corruption: by[corruption], default=None)
    of_which = "" if worst is None else f"; {len(by)} corruptions, the worst {worst} {by[worst]:.2%}"
    return f"{found.accuracy:.2%}  on {found.name}, {found.num_images:,} images{of_which}"


def _times(timing: Timing) -> str:
    per_epoch = "" if timing.train_s_per_epoch is None else f"{timing.train_s_per_epoch:.1f} s an epoch, "
    in_all = f"{timing.train_s + timing.eval_s:,.0f} s in all"
    peak = timing.peak_memory_bytes
    return f"{per_epoch}{in_all}" + ("" if peak is None else f", peak memory {peak / 2**20:,.0f} MiB")


def print_fields(fields: dict[str, str], console: Console) -> None:
    """Prints a line for each field, its name in bold."""
    for key, text in fields.items():
        console.print(Text.assemble((f"{key:>8}", "bold"), f"  {printable_lines(text)}"), soft_wrap=True)

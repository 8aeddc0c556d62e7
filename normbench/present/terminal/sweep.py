"""A sweep while it trains: its plan, a line for each run that ended, and on a terminal progress bars."""

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.status import Status
from rich.table import Column
from rich.text import Text

from normbench.analysis.stats.sequential import PairDecision
from normbench.config import Config
from normbench.norms import norm_label
from normbench.present.terminal.run import print_fields
from normbench.runs.events import EpochDone, Finished, Logged, Started, Step, Unfinished
from normbench.sweeps.plan import Plan
from normbench.sweeps.queue import RunEvent, Stopping, Waiting
from normbench.sweeps.run import Judged, Planned, Planning, SweepEvent, Trained
from normbench.sweeps.worker import RunRequest
from normbench.text import plural, printable_lines

TOO_EARLY = 0.05  # share of the work below which the plan's estimate is better than the pace so far

BAR = 12  # columns of a progress bar

Title = Callable[[Config], str]


class SweepView:
    """A context manager that shows the events of a sweep on `console`.

    Piped output has a line for each run that ended. `quiet` shows nothing.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._bars: _Bars | None = None
        self._status: Status | None = None

    def __enter__(self) -> "SweepView":
        return self

    def __exit__(self, *error: object) -> None:
        self._stop_status()
        self._stop_bars()

    def show(self, event: SweepEvent) -> None:
        match event:
            case Planning() if self._console.is_terminal and not self._quiet:
                self._status = self._console.status("measuring how long runs take ...")
                self._status.start()
            case Planned(title, plan, axes, note, trains):
                self._stop_status()
                if not self._quiet:
                    print_plan(plan, title, axes, note, self._console)
                if trains:
                    self._bars = _Bars(plan, run_title(axes), self._console, quiet=self._quiet)
                    self._bars.progress.start()
            case Judged(decisions):
                if not self._quiet:
                    print_decisions(decisions, self._console)
            case Trained():
                self._stop_bars()
            case RunEvent() | Waiting() | Stopping() if self._bars:
                self._bars.show(event)

    def _stop_status(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def _stop_bars(self) -> None:
        if self._bars:
            self._bars.progress.stop()
            self._bars = None


def run_title(axes: Sequence[str]) -> Title:
    """A function that titles a run by norm, seed and swept values: `GN(4) seed 3, batch_size 8`."""
    names = {axis: axis.rpartition(".")[2] for axis in axes}
    if len(set(names.values())) < len(names):
        names = {axis: axis for axis in axes}

    def title(config: Config) -> str:
        parts = [f"{norm_label(config.norm.name, config.norm.options)} seed {config.seed}"]
        for axis in axes:
            if axis == "norm" or axis.startswith("norm."):
                continue
            value = config.value(axis)
            parts.append(f"{names[axis]} {value:g}" if isinstance(value, float) else f"{names[axis]} {value}")
        return ", ".join(parts)

    return title


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`: rounded to the precision of an estimate."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def print_plan(plan: Plan, name: str, axes: Sequence[str], note: str, console: Console) -> None:
    """Prints norms and seeds, how many runs are finished, and the estimated time of the others."""
    requests = [*plan.done, *plan.to_do]
    labels = dict.fromkeys(norm_label(request.config.norm.name, request.config.norm.options) for request in requests)
    seeds = sorted({request.config.seed for request in requests})
    machine = plan.machine
    lines = {
        "sweep": f"{name}: {plural(len(requests), 'run')}"
        + (f", {len(plan.done):,} of them finished" if plan.done else ""),
        "norms": ", ".join(labels),
        "seeds": _seeds(seeds),
    }
    if others := [axis for axis in axes if axis != "norm"]:
        lines["swept"] = ", ".join(others)
    if plan.to_do:
        processes = f"{plan.jobs} process{'es' if plan.jobs > 1 else ''}"
        assert machine.threads is not None
        threads = plural(machine.threads, "thread")
        lines["machine"] = f"{machine.device.type}, {processes} of {threads}, {machine.precision}"
        if ways := dict.fromkeys(request.way for request in plan.to_do if request.way):
            lines["machine"] += f"; the seeds of a norm train together ({' or '.join(ways)})"
        lines["time"] = (
            f"about {duration(plan.total_s)} for {plural(len(plan.to_do), 'run')}, from a few steps of each kind"
        )
    print_fields(lines, console)
    if note:
        console.print(Text(f"{'':>8}  {note}", style="dim"), soft_wrap=True)


def print_decisions(decisions: Sequence[PairDecision], console: Console) -> None:
    """Prints the state of each pair of norms after an interim look."""
    for pair in decisions:
        console.print(Text(f"  {pair.a} and {pair.b}: {pair.text}"), soft_wrap=True)


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 3 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _cut(width: int) -> Column:
    """A column that is cut at `width`: rich would take the space from all columns, the elapsed time among them."""
    return Column(max_width=max(width, 1), no_wrap=True, overflow="ellipsis")


class _Bars:
    """The progress bars of a sweep. Progress is counted in estimated seconds, so that long runs weigh more."""

    def __init__(self, plan: Plan, title: Title, console: Console, *, quiet: bool) -> None:
        self.title, self.console, self.quiet = title, console, quiet
        self.weight = {request.folder.path: max(s, 1e-3) for request, s in zip(plan.to_do, plan.seconds, strict=True)}
        self.ended = 0.0
        self.running: dict[int, float] = {}
        self.began: dict[int, float] = {}
        self.last_row: dict[int, str] = {}
        self.num_over = self.num_waiting = 0
        self.num_runs = len(plan.to_do)
        longest = max((len(title(request.config)) for request in plan.to_do), default=0)
        titles = min(longest, console.width // 2 - BAR)
        notes = max(console.width - titles - BAR - len(" 100 % 0:00:00  "), 1)
        self.progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=_cut(titles)),
            BarColumn(bar_width=BAR),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", table_column=_cut(notes)),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self.estimate_s = plan.total_s
        note = f"0/{self.num_runs} runs, about {duration(self.estimate_s)} left"
        self.overall = self.progress.add_task("all runs", total=sum(self.weight.values()), note=note)
        self.bars: dict[int, TaskID] = {}
        self.start: float | None = None

    def show(self, event: RunEvent | Waiting | Stopping) -> None:
        match event:
            case RunEvent():
                self.run(event)
            case Waiting(requests):
                self.waiting(len(requests))
            case Stopping():
                self.say("stopping: each run finishes its step and keeps a checkpoint (Ctrl-C again: at once)")

    def run(self, event: RunEvent) -> None:
        request, slot = event.request, event.slot
        weight = self.weight.get(request.folder.path, 1.0)
        match event.event:
            case Started():
                self.advanced(request, slot, f"epoch 1/{request.config.train.epochs}", 0.0)
            case Step(epoch, step, num_steps, rate):
                num_epochs = request.config.train.epochs
                done = (epoch + step / num_steps) / num_epochs
                speed = "" if rate is None else f"  {rate:,.0f} images/s"
                self.advanced(request, slot, f"epoch {epoch + 1}/{num_epochs}{speed}", done)
            case EpochDone(row):
                split = "val" if "val_accuracy" in row else "test"
                self.last_row[slot] = f"  {split} {row[f'{split}_accuracy']:.1%}"
            case Logged(text):
                self.say(f"{self.title(request.config)}: {text}")
            case Finished() | Unfinished() as end:
                self.over(request, slot, end)
                self.ended += 0.0 if isinstance(end, Unfinished) and end.status in ("busy", "lost") else weight
        completed = self.ended + sum(self.running.values())
        note = f"{self.num_over}/{self.num_runs} runs, about {duration(self.left_s(completed))} left"
        self.progress.update(self.overall, completed=completed, note=note)

    def left_s(self, completed: float) -> float:
        """Seconds left at the pace so far, or by the plan's estimate while less than TOO_EARLY is done."""
        total = sum(self.weight.values())
        share = completed / total
        if self.start is None or share < TOO_EARLY:
            return self.estimate_s * (1 - share)
        return (time.monotonic() - self.start) * (1 - share) / share

    def advanced(self, request: RunRequest, slot: int, note: str, done: float) -> None:
        """Moves the bar of a run. done: share of the run's steps, those of an earlier process included."""
        self.began.setdefault(slot, time.monotonic())
        self.start = self.start or time.monotonic()
        if slot not in self.bars:
            self.bars[slot] = self.progress.add_task(self.title(request.config), total=1.0, note="")
        self.running[slot] = done * self.weight.get(request.folder.path, 1.0)
        self.progress.update(self.bars[slot], completed=done, note=note + self.last_row.get(slot, ""))

    def over(self, request: RunRequest, slot: int, end: Finished | Unfinished) -> None:
        if slot in self.bars:
            self.progress.remove_task(self.bars.pop(slot))
        self.running.pop(slot, None)
        self.last_row.pop(slot, None)
        now = time.monotonic()
        took = duration(now - self.began.pop(slot, now))
        name = self.title(request.config)
        match end:
            case Finished(record, already):
                if record.metrics is None:
                    result = "diverged, recorded as such"
                else:
                    held_out = record.metrics.held_out
                    how = "finished already" if already else took
                    result = f"{record.data.evaluated_on} {held_out.accuracy:.2%}  loss {held_out.loss:.3f}  {how}"
            case Unfinished("failed", message):
                result = f"failed: {message}"
            case Unfinished("lost", message):
                self.say(f"{name}: {message}; it goes on from its last checkpoint")
                return
            case Unfinished():
                return
        self.num_over += 1
        self.say(f"{self.num_over:>{len(str(self.num_runs))}}/{self.num_runs}  {name}  {result}")

    def waiting(self, count: int) -> None:
        if count != self.num_waiting:
            self.say(f"waiting for {plural(count, 'run')} that another process trains")
        self.num_waiting = count

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(Text(printable_lines(text)), soft_wrap=True, highlight=False)

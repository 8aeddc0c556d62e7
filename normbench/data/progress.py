"""Progress of a download or of decoding: a bar on a terminal, otherwise a log line at every tenth."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

log = logging.getLogger(__name__)

Unit = Literal["bytes", "images"]
Report = Callable[[int, int], None]
"""Called with (done so far, total)."""


def amount(number: int, unit: Unit) -> str:
    return f"{number / 1e6:.1f} MB" if unit == "bytes" else f"{number:,} images"


@contextmanager
def progress(label: str, unit: Unit, bar: bool) -> Iterator[Report]:
    """Yields the function that reports progress, as a bar on stderr or in lines of the log."""
    if bar:
        with _bar(label, unit) as report:
            yield report
    else:
        yield _lines(label, unit)


def _lines(label: str, unit: Unit) -> Report:
    last = 0

    def report(done: int, total: int) -> None:
        nonlocal last
        mark = done * 10 // total
        if mark > last:
            log.info(f"{label}: {done / total:.0%} of {amount(total, unit)}")
        last = mark  # may decrease: a download that starts again reports its tenths again

    return report


@contextmanager
def _bar(label: str, unit: Unit) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counts = [DownloadColumn(), TransferSpeedColumn()] if unit == "bytes" else [MofNCompleteColumn()]
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), *counts, TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)

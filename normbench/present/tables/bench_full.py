"""`normbench bench --full` as tables: steps, seeds, whole runs, checks."""

import math
import statistics
from collections.abc import Sequence

from normbench.bench.full import EAGER, RECORDED, FullBench, VariantTimings, WholeRuns
from normbench.bench.result import Spread, Timing
from normbench.present.tables.table import Cell, Table, Value


def full_tables(full: FullBench, setting: str) -> dict[str, Table]:
    """The tables by name. `setting` is the machine and the amount of work, for the first title.

    What has not been measured yet has no table.
    """
    tables = {"steps": _steps(full, setting), "seeds": _seeds(full)}
    if full.runs:
        tables["runs"] = _runs(full)
    if full.checks:
        tables["checks"] = _checks(full)
    if full.compiled:
        tables["compiled"] = _compiled(full)
    return tables


def _steps(full: FullBench, setting: str) -> Table:
    return Table(
        title=f"A training step of one run on {setting}: median [lowest, highest round]",
        columns=("Norm", "Eager ms", "Recorded ms", "Times"),
        rows=tuple(
            (
                times.label,
                _ms(times, EAGER),
                _ms(times, RECORDED),
                _spread(times.times_eager(RECORDED)),
            )
            for times in full.norms
        ),
        records=tuple(
            {
                "label": times.label,
                "eager_ms": 1e3 * times.step_s(EAGER),
                "recorded_ms": 1e3 * times.step_s(RECORDED),
                **_record(times.times_eager(RECORDED)),
            }
            for times in full.norms
        ),
        notes=("eager: each operation launched by itself; recorded: the whole step as one CUDA graph",),
    )


def _seeds(full: FullBench) -> Table:
    found = [(times, way) for times in full.norms for way in times.timings if way not in (EAGER, RECORDED)]
    return Table(
        title="Seeds together: seeds a second, in times of eager runs one after the other",
        columns=("Norm", "Way", "Seeds", "Step ms", "Times"),
        rows=tuple(
            (
                times.label,
                way,
                f"{times.seeds}",
                _ms(times, way),
                _spread(times.times_eager(way)),
            )
            for times, way in found
        ),
        records=tuple(
            {
                "label": times.label,
                "way": way,
                "seeds": times.seeds,
                "step_ms": 1e3 * times.step_s(way),
                **_record(times.times_eager(way)),
                "is_fastest": way == times.fastest_way,
            }
            for times, way in found
        ),
        notes=("lanes: a stream for each seed within one graph; wide: all seeds as one wide network in one graph",),
        num_text_columns=2,
    )


def _runs(full: FullBench) -> Table:
    first, count, epochs = full.norms[0], len(full.norms), full.epochs
    what = f"{count} norms x {first.seeds} seeds" if count > 1 else f"{first.seeds} seeds"
    records = [
        *(_whole_runs(f"{first.label}, {runs.what}", runs, runs.epochs) for runs in full.runs),
        *(_whole_runs(f"{first.label}, {runs.what}", runs, epochs) for runs in full.runs if epochs > runs.epochs),
        *([_run_record(what, epochs, full.all_s, is_projected=True)] if count > 1 else []),
    ]
    return Table(
        title="Whole runs, from the start in this process to the finished folders with their pictures",
        columns=("What", "Epochs", "Seconds", "Test %"),
        rows=tuple(
            (
                f"{row['what']}{', projected' if row['is_projected'] else ''}",
                f"{row['epochs']}",
                f"{row['seconds']:,.1f}",
                _percent(row["accuracy"]),
            )
            for row in records
        ),
        records=tuple(records),
        notes=(
            "projected: each further epoch takes as long as the last one that was measured, and the runs of another "
            "norm longer by as much as their steps",
        ),
    )


def _whole_runs(what: str, runs: WholeRuns, epochs: int) -> dict[str, Value]:
    """The runs as they were measured, or for more epochs as projected."""
    if epochs > runs.epochs:
        return _run_record(what, epochs, runs.projected_s(epochs), is_projected=True)
    return _run_record(what, epochs, runs.seconds, is_projected=False) | {
        "accuracy": _finite(statistics.fmean(runs.accuracies)),
        "last_epoch_s": runs.epoch_s,
    }


def _run_record(what: str, epochs: int, seconds: float, *, is_projected: bool) -> dict[str, Value]:
    return {
        "what": what,
        "epochs": epochs,
        "seconds": seconds,
        "accuracy": None,
        "last_epoch_s": None,
        "is_projected": is_projected,
    }


def _checks(full: FullBench) -> Table:
    return Table(
        title="Does it compute the same?",
        columns=("Norm", "What", "Apart", "Allowed", "Agrees"),
        rows=tuple(
            (check.label, check.what, f"{check.difference:.2g}", f"{check.allowed:.2g}", _met(check.agrees))
            for check in full.checks
        ),
        records=tuple(
            {
                "label": check.label,
                "what": check.what,
                "difference": _finite(check.difference),
                "allowed": _finite(check.allowed),
                "agrees": check.agrees,
            }
            for check in full.checks
        ),
        num_text_columns=2,
        wraps=True,
    )


def _compiled(full: FullBench) -> Table:
    return Table(
        title="Recorded steps by PyTorch's layers and by torch.compile",
        columns=("Norm", "What", "Layers ms", "Compiled ms", "Times", "First s"),
        rows=tuple(
            (
                times.label,
                times.what,
                f"{_median_ms(times.recorded):.2f}",
                f"{_median_ms(times.compiled):.2f}",
                _spread(times.times_recorded),
                f"{times.first_s:.1f}",
            )
            for times in full.compiled
        ),
        records=tuple(
            {
                "label": times.label,
                "what": times.what,
                "recorded_ms": _median_ms(times.recorded),
                "compiled_ms": _median_ms(times.compiled),
                "first_s": times.first_s,
                **_record(times.times_recorded),
            }
            for times in full.compiled
        ),
        notes=("first: the first steps with their compiling, which a later command finds done in the cache folder",),
        num_text_columns=2,
    )


def _median_ms(timings: Sequence[Timing]) -> float:
    return 1e3 * statistics.median(timing.step_s for timing in timings)


def _ms(times: VariantTimings, contender: str) -> str:
    return f"{1e3 * times.step_s(contender):.2f}"


def _spread(spread: Spread) -> Cell:
    return f"{spread.median:.1f}", f"[{spread.low:.1f},", f"{spread.high:.1f}]"


def _record(spread: Spread) -> dict[str, Value]:
    return {"times": spread.median, "times_low": spread.low, "times_high": spread.high}


def _met(is_met: bool) -> str:
    return "yes" if is_met else "no"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _percent(value: Value) -> str:
    return "-" if value is None else f"{100 * float(value):.2f}"

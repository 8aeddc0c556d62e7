"""`normbench bench --full` as tables: steps, seeds, whole runs, checks."""

import math
import statistics

from normbench.bench.full import EAGER, RECORDED, FullBench, VariantTimings, WholeRuns
from normbench.bench.result import Spread
from normbench.present.tables.table import Cell, Table, Value

# Goals, which the tables show beside what was measured.
TIMES_A_STEP = 5.0  # speed of a recorded step over an eager one
TIMES_A_SEED = 20.0  # seeds a second, over those of eager runs in turn
ALL_S = 60.0  # for three norms with ten seeds and twenty epochs


def full_tables(full: FullBench, setting: str) -> dict[str, Table]:
    """The tables by name. `setting` is the machine and the amount of work, for the first title."""
    return {"steps": _steps(full, setting), "seeds": _seeds(full), "runs": _runs(full), "checks": _checks(full)}


def _steps(full: FullBench, setting: str) -> Table:
    return Table(
        title=f"A training step of one run on {setting}: median [lowest, highest round]",
        columns=("Norm", "Eager ms", "Recorded ms", "Times", f"At least {TIMES_A_STEP:g}"),
        rows=tuple(
            (
                times.label,
                _ms(times, EAGER),
                _ms(times, RECORDED),
                _spread(times.times_eager(RECORDED)),
                _met(times.times_eager(RECORDED).median >= TIMES_A_STEP),
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
        columns=("Norm", "Way", "Seeds", "Step ms", "Times", f"At least {TIMES_A_SEED:g}"),
        rows=tuple(
            (
                times.label,
                way,
                f"{times.seeds}",
                _ms(times, way),
                _spread(times.times_eager(way)),
                _met(times.times_eager(way).median >= TIMES_A_SEED),
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
    first, count = full.norms[0], len(full.norms)
    projected: dict[str, Value] = {
        "what": f"{count} norms x {first.seeds} seeds, projected",
        "seconds": full.all_s,
        "accuracy": None,
        "is_projected": True,
    }
    records = [_whole_runs(full.one, first.label), _whole_runs(full.group, first.label), projected]
    return Table(
        title=f"Runs of {full.epochs} epochs, from the start to the finished folder, without pictures",
        columns=("What", "Seconds", "Test %"),
        rows=tuple((str(row["what"]), f"{row['seconds']:,.1f}", _percent(row["accuracy"])) for row in records),
        records=tuple(records),
        notes=(f"3 norms x 10 seeds x 20 epochs are meant to take less than {ALL_S:g} s",),
    )


def _whole_runs(runs: WholeRuns, label: str) -> dict[str, Value]:
    return {
        "what": f"{label}, {runs.what}",
        "seconds": runs.seconds,
        "accuracy": _finite(statistics.fmean(runs.accuracies)),
        "is_projected": False,
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

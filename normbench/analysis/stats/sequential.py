"""Adding seeds in rounds until each pair of norms is decided, without more false alarms for looking early.

The procedure. Before the first run it is fixed how many runs a norm has at each look (`planned_looks`). At each look
the test over seeds (`over_seeds`) judges each pair that is still open, and its p is held against a nominal level that
keeps the chance of any false alarm over all looks at alpha: alpha is spent over the looks by a function of the share
of the planned runs (`spending.spend`; Lan & DeMets 1983). A pair is decided once and for good:

    real        p <= the nominal level. Several pairs: Holm's step, alpha / (pairs not yet found real), each level
                with a boundary of its own: Maurer & Bretz (2013), Statistics in Biopharmaceutical Research 5.
    equivalent  smaller than delta: the repeated interval lies inside ±delta. Jennison & Turnbull (1989), J. R. Stat.
                Soc. B 51: difference ± t · standard error with t at this look's boundary holds at all looks at once,
                so one may stop whenever it says something. At level 1 − 2 · alpha, as in two one-sided tests
                (Schuirmann 1987), Holm over pairs again.

So, over all looks and pairs, equals come out as real in at most alpha of all experiments; pairs that differ by delta
or more come out as equivalent in at most alpha. Stopping for equivalence only takes false alarms away. Carrying
normal boundaries over to t is an approximation; tests/studies/validity.py measures it from 3 runs on.

The guarantee is for looks fixed in advance: raising the maximum after the last look is a new experiment.

An interval here holds at all looks at its own pair; all pairs at once it covers less often. The difference at a stop is
the plain mean of the runs so far: a large one stops early, so that it lies too far from 0 on average.

Runs that diverged have no value, and are not missing at random: a norm that diverges on hard seeds and scores well on
the rest is no better for it. They take their place in the plan (nobody trains a replacement), the pair is judged by
the runs that finished, with alpha spent according to how many those are, and every text says how many diverged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from normbench.analysis.stats.difference import over_seeds
from normbench.analysis.stats.spending import nominal_alphas, spend
from normbench.analysis.stats.verdict import Kind, between, relation, with_unit

Pair = tuple[str, str]
Values = Mapping[str, Sequence[float | None]]
LEAST_RUNS = 3  # of a norm at the first look; two runs hardly ever decide a pair


@dataclass(frozen=True)
class PairDecision:
    """The state of a pair at a look. `difference` is a − b, in the values' unit.

    `low`, `high` is the repeated interval that the word goes by. `confidence` is the chance that it covers at all looks
    at this pair, 1 − `nominal_alpha` its level at this look alone. `look` is the index of the look that decided, or of
    the last one taken; `n_a`, `n_b` count the finished runs there. `smaller`: the difference is smaller than delta; a
    real difference can be smaller too. `goes_on`: the pair needs more runs of both norms; False if all runs of a norm
    diverged so far.
    """

    a: str
    b: str
    kind: Kind
    difference: float | None
    low: float | None
    high: float | None
    confidence: float | None
    nominal_alpha: float | None
    text: str
    look: int
    n_a: int
    n_b: int
    smaller: bool
    goes_on: bool


def planned_looks(max_seeds: int, num_looks: int = 5) -> tuple[int, ...]:
    """The runs of each norm at each look: equal steps up to max_seeds, from 3 on. More than five looks save little.

    Raises ValueError for max_seeds below 2 or no look.
    """
    if max_seeds < 2 or num_looks < 1:
        raise ValueError(f"it takes two seeds and one look at least, not {max_seeds} and {num_looks}")
    steps = (math.ceil(max_seeds * look / num_looks) for look in range(1, num_looks + 1))
    return tuple(sorted({min(max_seeds, max(LEAST_RUNS, step)) for step in steps}))


def decide(
    values: Values,
    pairs: Sequence[Pair],
    looks: Sequence[int],
    look_index: int,
    delta: float,
    alpha: float = 0.05,
    *,
    unit: str = "points",
) -> tuple[PairDecision, ...]:
    """The state of each pair after look `look_index`, in the order of `pairs`; see the module for the procedure.

    values: for each norm its runs in the order of the plan (the order of seeds), None where a run diverged, in the
    unit of delta (accuracies: 100 · fraction); at look k only the first looks[k] count. looks: runs of each norm at
    each planned look, growing. Earlier looks are computed again from the values, so that nothing is stored between
    looks and a killed sweep decides the same.

    Raises ValueError for a norm with too few runs for a look that an open pair takes, looks that do not grow, a value
    that is not finite, delta <= 0, alpha outside (0, 0.5), or a pair that is listed twice or of one norm.
    """
    _check(values, pairs, looks, look_index, delta, alpha)
    closed: dict[Pair, PairDecision] = {}
    latest: dict[Pair, PairDecision] = {}

    def levels() -> tuple[float, float]:
        """Holm's levels: alpha / (pairs not yet found real), alpha / (pairs not yet found smaller than delta)."""
        real = sum(each.kind == "real" for each in closed.values())
        smaller = sum(each.smaller for each in closed.values())
        return alpha / max(1, len(pairs) - real), alpha / max(1, len(pairs) - smaller)

    for look in range(look_index + 1):
        tests = [_Test(values, pair, looks, look, delta, unit) for pair in pairs if pair not in closed]
        for kind in ("real", "equivalent"):
            while True:  # a decided pair raises the level of the others
                still_open = [test for test in tests if test.pair not in closed]
                found = [each for test in still_open if (each := test.claim(kind, *levels()))]
                if not found:
                    break
                closed |= {(each.a, each.b): each for each in found}
        rest = {test.pair: test.no_claim(levels()[0]) for test in tests if test.pair not in closed}
        closed |= {pair: each for pair, each in rest.items() if not each.goes_on}
        latest |= rest | closed
    return tuple(latest[pair] for pair in pairs)


class _Test:
    """One pair at one look."""

    def __init__(self, values: Values, pair: Pair, looks: Sequence[int], look: int, delta: float, unit: str) -> None:
        self.pair = pair
        self._look, self._looks, self._delta, self._unit = look, looks, delta, unit
        self._runs = [values[name][: looks[look]] for name in pair]
        for name, runs in zip(pair, self._runs, strict=True):
            if len(runs) < looks[look]:
                raise ValueError(f"look {look} takes {looks[look]} runs of {name}, there are {len(runs)}")
        a, b = ({seed: value for seed, value in enumerate(runs) if value is not None} for runs in self._runs)
        self._found = over_seeds(a, b)
        self._plan = _plan(self._runs, looks, look)

    def claim(self, kind: str, real_level: float, smaller_level: float) -> PairDecision | None:
        """The decision `kind`, real or equivalent, if the data support it, else None."""
        outer, inner = self._interval(real_level), self._interval(2 * smaller_level)
        if outer is None or inner is None:
            return None
        smaller = -self._delta < inner[0] and inner[1] < self._delta
        if kind == "real" and (outer[0] > 0 or outer[1] < 0):
            lead = f"real, but smaller than {self._delta:g}" if smaller else "real"
            return self._decision(
                "real", f"{lead}: {relation(*self.pair, outer, self._unit)}", real_level, outer, smaller
            )
        if kind == "equivalent" and smaller:
            within = with_unit(f"{self._delta:g}", self._unit)
            text = f"equivalent within {within}: {between(*self.pair, inner, self._delta)}"
            return self._decision("equivalent", text, 2 * smaller_level, inner, smaller)
        return None

    def no_claim(self, level: float) -> PairDecision:
        """The decision `undecided` or `undefined`."""
        interval = self._interval(level)
        if interval is None:
            lost = [name for name, runs in zip(self.pair, self._runs, strict=True) if not _finished(runs)]
            why = f"all {' and '.join(lost)} runs diverged" if lost else self._found.why_undefined
            return self._decision("undefined", f"undefined: {why or 'no run finished since the last look'}", level)
        return self._decision("undecided", f"undecided: {between(*self.pair, interval, self._delta)}", level, interval)

    def _decision(
        self,
        kind: Kind,
        text: str,
        level: float,
        interval: tuple[float, float] | None = None,
        smaller: bool = False,
    ) -> PairDecision:
        low, high = interval or (None, None)
        n, most = self._looks[self._look], self._looks[-1]
        hopeless = any(not _finished(runs) for runs in self._runs)
        goes_on = kind in ("undecided", "undefined") and n < most and not hopeless
        after = f"after {n} of at most {most} seeds" if goes_on else f"after {n} seeds"
        return PairDecision(
            *self.pair,
            kind,
            self._found.difference,
            low,
            high,
            1 - level if interval else None,
            self._nominal(level),
            f"{text}, {after}{'' if hopeless else self._diverged()}",
            self._look,
            self._found.n_a,
            self._found.n_b,
            smaller,
            goes_on,
        )

    def _nominal(self, level: float) -> float | None:
        """The nominal level of this look if `level` is spent over all looks; None without a new finished run."""
        if not self._plan or self._plan[-1][0] != self._look:
            return None
        _, information, fractions = zip(*self._plan, strict=True)
        return nominal_alphas(information, tuple(spend(fraction, level) for fraction in fractions))[-1]

    def _interval(self, level: float) -> tuple[float, float] | None:
        nominal = self._nominal(level)
        return self._found.interval(1 - nominal) if nominal else None

    def _diverged(self) -> str:
        lost = [
            f"{len(runs) - len(_finished(runs))} of {len(runs)} {name} runs"
            for name, runs in zip(self.pair, self._runs, strict=True)
            if None in runs
        ]
        return f"; {' and '.join(lost)} diverged, this is about those that finish" if lost else ""


def _plan(runs: Sequence[Sequence[float | None]], looks: Sequence[int], look: int) -> list[tuple[int, float, float]]:
    """The looks with new information, up to `look`: index, information, and the fraction for alpha spending."""
    taken: list[tuple[int, float, float]] = []
    for index, planned in enumerate(looks[: look + 1]):
        n_a, n_b = (len(_finished(values[:planned])) for values in runs)
        if min(n_a, n_b) < 2:
            continue
        information = 2 / (1 / n_a + 1 / n_b)  # in runs of each norm
        if not taken or information > taken[-1][1]:
            taken.append((index, information, 1.0 if planned == looks[-1] else information / looks[-1]))
    return taken


def _finished(runs: Sequence[float | None]) -> list[float]:
    return [value for value in runs if value is not None]


def _check(
    values: Values, pairs: Sequence[Pair], looks: Sequence[int], look_index: int, delta: float, alpha: float
) -> None:
    if not looks or looks[0] < 2 or any(b <= a for a, b in pairwise(looks)):
        raise ValueError(f"looks must be runs a norm, two or more, growing: {list(looks)}")
    if not 0 <= look_index < len(looks):
        raise ValueError(f"look_index must be below the {len(looks)} planned looks, not {look_index}")
    if not 0 < delta < math.inf:
        raise ValueError(f"delta must be above 0, not {delta}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must be between 0 and 0.5, not {alpha}")
    if len({frozenset(pair) for pair in pairs}) < len(pairs) or any(a == b for a, b in pairs):
        raise ValueError(f"each pair must be two norms, and listed once: {list(pairs)}")
    if missing := sorted({name for pair in pairs for name in pair} - set(values)):
        raise ValueError(f"no runs of {', '.join(missing)}")

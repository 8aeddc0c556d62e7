"""How often normbench's statistics are right, by simulation with the very functions that `compare` and `sweep` call.

Each check draws runs of norms whose true means are known, normally distributed unless it says otherwise, std 0.3
points (what seeds of the same small network scatter by) and delta 0.5 points unless it says otherwise.

    python tests/studies/validity.py [--repetitions 20000] [--only WORDS] [--output validity.json]

prints a table in Markdown and writes the numbers. About 20 minutes on a free core.
"""

import argparse
import json
import math
import platform
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import scipy
from scipy.special import ndtr

from normbench.analysis.stats.difference import holm, paired_t, probability_better, sign_flip, welch
from normbench.analysis.stats.estimate import mean_interval
from normbench.analysis.stats.power import more_seeds, seeds_needed
from normbench.analysis.stats.sequential import PairDecision, decide, planned_looks
from normbench.analysis.stats.verdict import verdict

STD, DELTA = 0.3, 0.5
FIVE_PERCENT, AT_MOST_FIVE = (0.035, 0.065), (0.0, 0.065)
COVERS, COVERS_AT_LEAST, NINE_IN_TEN = (0.935, 0.965), (0.935, 1.0), (0.9, 1.0)
NEVER = 1e-6  # a delta so small that nothing ends early for being equivalent

Random = np.random.Generator
Outcome = tuple[bool, float]
"""Whether what is counted happened, and the runs a norm it took."""
Once = Callable[[Random], Outcome]


@dataclass(frozen=True)
class Result:
    what: str
    setting: str
    rate: float
    std_error: float
    target: tuple[float, float] | None
    met: bool | None
    repetitions: int
    mean_runs_per_norm: float


def draw(rng: Random, n: int, mean: float = 0.0, std: float = STD) -> list[float]:
    return rng.normal(80 + mean, std, n).tolist()


def skewed(rng: Random, n: int) -> list[float]:
    """Most seeds alike, a few clearly worse: a gamma distribution of shape 2 turned round, mean 80, std 0.3."""
    return (80 - STD * (rng.gamma(2, 1, n) - 2) / math.sqrt(2)).tolist()


def welch_alarm(n_a: int, n_b: int, std_a: float = STD, std_b: float = STD) -> Once:
    return lambda rng: (welch(draw(rng, n_a, 0, std_a), draw(rng, n_b, 0, std_b)).p_value <= 0.05, (n_a + n_b) / 2)


def skewed_alarm(n: int) -> Once:
    return lambda rng: (welch(skewed(rng, n), skewed(rng, n)).p_value <= 0.05, n)


def pairs_alarm(test: Callable, n: int) -> Once:
    """Seeds that move both norms alike, as they do when the first weights and the data order are shared."""

    def once(rng: Random) -> Outcome:
        shared = rng.normal(0, 0.2, n)
        a, b = (np.add(draw(rng, n, 0, 0.2), shared).tolist() for _ in "ab")
        return test(a, b).p_value <= 0.05, n

    return once


def fixed_verdicts(means: Sequence[float], n: int, counted: Callable[[set[str]], bool]) -> Once:
    """All pairs through Holm; `counted` sees the kinds of the verdicts on pairs of equal means."""

    def once(rng: Random) -> Outcome:
        runs = [draw(rng, n, mean) for mean in means]
        pairs = list(combinations(range(len(means)), 2))
        tests = [welch(runs[i], runs[j]) for i, j in pairs]
        adjusted = holm([test.p_value for test in tests])
        kinds = {
            verdict("A", "B", test, p_value, DELTA, num_pairs=len(pairs)).kind
            for (i, j), test, p_value in zip(pairs, tests, adjusted, strict=True)
            if means[i] == means[j]
        }
        return counted(kinds), n

    return once


def fixed_equivalent(n: int) -> Once:
    def once(rng: Random) -> Outcome:
        test = welch(draw(rng, n, DELTA), draw(rng, n))
        return verdict("A", "B", test, test.p_value, DELTA).kind == "equivalent", n

    return once


def covers_difference(n_a: int, n_b: int, std_a: float = STD, std_b: float = STD) -> Once:
    def once(rng: Random) -> Outcome:
        found = welch(draw(rng, n_a, DELTA, std_a), draw(rng, n_b, 0, std_b))
        return found.low <= DELTA <= found.high, (n_a + n_b) / 2

    return once


def covers_mean(n: int) -> Once:
    def once(rng: Random) -> Outcome:
        found = mean_interval(draw(rng, n))
        return found.low <= 80 <= found.high, n

    return once


def covers_probability(n: int, std_a: float, std_b: float) -> Once:
    truth = float(ndtr(DELTA / math.hypot(std_a, std_b)))

    def once(rng: Random) -> Outcome:
        found = probability_better(draw(rng, n, DELTA, std_a), draw(rng, n, 0, std_b))
        return found.low <= truth <= found.high, n

    return once


def found_at_known_std(std_a: float, std_b: float, pairs: int = 1) -> Once:
    n = seeds_needed(std_a, std_b, DELTA, 0.05 / pairs)
    return lambda rng: (welch(draw(rng, n, DELTA, std_a), draw(rng, n, 0, std_b)).p_value <= 0.05 / pairs, n)


def found_after_pilot(n: int, fresh: bool, true: float = DELTA, std_b: float = STD) -> Once:
    """A pilot of n runs says how many more; then all runs are tested, or as many new ones."""

    def once(rng: Random) -> Outcome:
        a, b = draw(rng, n, true), draw(rng, n, 0, std_b)
        pilot = welch(a, b)
        more = more_seeds(pilot, DELTA)
        assert more is not None
        if fresh:
            return welch(draw(rng, n + more, true), draw(rng, n + more, 0, std_b)).p_value <= 0.05, n + more
        if verdict("A", "B", pilot, pilot.p_value, DELTA).kind != "undecided":
            return pilot.p_value <= 0.05, n
        return welch(a + draw(rng, more, true), b + draw(rng, more, 0, std_b)).p_value <= 0.05, n + more

    return once


def until_decided(
    means: Sequence[float],
    counted: Callable[[PairDecision, float], bool],
    *,
    delta: float = DELTA,
    most: int = 20,
    stds: Sequence[float] | None = None,
    diverged: float = 0.0,
    every: bool = False,
) -> Once:
    """`sweep --until-decided` to its end. `counted` sees each pair's decision and true difference: any, or every."""
    looks = planned_looks(most)
    names = "ABCDEF"[: len(means)]
    pairs = list(combinations(names, 2))
    true = dict(zip(names, means, strict=True))

    def once(rng: Random) -> Outcome:
        values = {
            name: [None if diverged and rng.random() < diverged else x for x in draw(rng, most, mean, std)]
            for name, mean, std in zip(names, means, stds or [STD] * len(means), strict=True)
        }
        found = decide(values, pairs, looks, len(looks) - 1, delta)
        runs = [max(looks[each.look] for each in found if name in (each.a, each.b)) for name in names]
        happened = [counted(each, true[each.a] - true[each.b]) for each in found]
        return (all if every else any)(happened), float(np.mean(runs))

    return once


def false_alarm(found: PairDecision, true: float) -> bool:
    return found.kind == "real" and true == 0


def is_real(found: PairDecision, true: float) -> bool:
    return found.kind == "real"


def is_decided(found: PairDecision, true: float) -> bool:
    return found.kind in ("real", "equivalent")


def wrongly_smaller(found: PairDecision, true: float) -> bool:
    return found.smaller and abs(true) >= DELTA


def covered(found: PairDecision, true: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= true <= found.high


def real_alarm(kinds: set[str]) -> bool:
    return "real" in kinds


MORE = "until decided within 0.5, at most 20 runs"
ONLY_REAL = "until decided, boundary for real alone"
CHECKS: list[tuple[str, tuple[float, float] | None, dict[str, Once]]] = [
    ("equals come out real", FIVE_PERCENT, {
        "Welch, 5 and 5 runs": welch_alarm(5, 5),
        "Welch, 10 and 10": welch_alarm(10, 10),
        "Welch, 3 and 3": welch_alarm(3, 3),
        "Welch, 4 and 12, std 0.6 and 0.2": welch_alarm(4, 12, 0.6, 0.2),
        "Welch, 5 and 5, skewed seeds": skewed_alarm(5),
        "paired t, 5 pairs": pairs_alarm(paired_t, 5),
        f"{ONLY_REAL}, at most 20 runs": until_decided([0, 0], false_alarm, delta=NEVER),
        f"{ONLY_REAL}, at most 10, first look at 3": until_decided([0, 0], false_alarm, delta=NEVER, most=10),
        f"{ONLY_REAL}, std 0.2 and 0.6": until_decided([0, 0], false_alarm, delta=NEVER, stds=[0.2, 0.6]),
        f"{ONLY_REAL}, a tenth diverging": until_decided([0, 0], false_alarm, delta=NEVER, diverged=0.1),
    }),
    ("equals come out real", AT_MOST_FIVE, {
        "sign flip, 8 pairs": pairs_alarm(sign_flip, 8),
        MORE: until_decided([0, 0], false_alarm),
    }),
    ("any pair of equals comes out real", AT_MOST_FIVE, {
        "Holm, 3 equal norms, 5 runs": fixed_verdicts([0, 0, 0], 5, real_alarm),
        "Holm, norms 0, 0, 1, 5 runs": fixed_verdicts([0, 0, 1], 5, real_alarm),
        f"{ONLY_REAL}, 3 equal norms": until_decided([0, 0, 0], false_alarm, delta=NEVER),
        f"{ONLY_REAL}, norms 0, 0, 1": until_decided([0, 0, 1], false_alarm, delta=NEVER),
        f"{MORE}, 3 equal norms": until_decided([0, 0, 0], false_alarm),
    }),
    ("norms 0.5 apart come out smaller than 0.5", AT_MOST_FIVE, {
        "fixed, 12 runs": fixed_equivalent(12),
        MORE: until_decided([0.5, 0], wrongly_smaller),
        f"{MORE}, any pair of 0, 0.5, 1": until_decided([0, 0.5, 1], wrongly_smaller),
    }),
    ("the 95 % interval covers", COVERS, {
        "mean, 5 runs": covers_mean(5),
        "difference, 5 and 5": covers_difference(5, 5),
        "difference, 3 and 3": covers_difference(3, 3),
        "difference, 5 and 10, std 0.3 and 0.6": covers_difference(5, 10, 0.3, 0.6),
        "difference, 4 and 12, std 0.6 and 0.2": covers_difference(4, 12, 0.6, 0.2),
        "P(A beats B), 5 and 5": covers_probability(5, STD, STD),
        "P(A beats B), 5 and 5, std 0.3 and 0.6": covers_probability(5, 0.3, 0.6),
    }),
    ("the repeated interval covers where it stopped", COVERS_AT_LEAST, {
        f"{MORE}, {true} apart": until_decided([true, 0], covered) for true in (0, 0.25, 0.5, 1)
    }),
    ("a true 0.5 is found at the recommended count", NINE_IN_TEN, {
        "std known": found_at_known_std(STD, STD),
        "std known, 0.2 and 0.5": found_at_known_std(0.2, 0.5),
        "std known, level of 3 pairs": found_at_known_std(STD, STD, 3),
        "pilot of 5 and what it asks for": found_after_pilot(5, False),
        "pilot of 5, then all new": found_after_pilot(5, True),
        "pilot of 5, then all new, std 0.3 and 0.6": found_after_pilot(5, True, std_b=0.6),
        "pilot of 3, then all new": found_after_pilot(3, True),
    }),
    (f"{MORE}:", NINE_IN_TEN, {
        "norms 0.5 apart come out real": until_decided([0.5, 0], is_real),
        "norms 1 apart come out real": until_decided([1, 0], is_real),
        "equals are decided": until_decided([0, 0], is_decided),
    }),
    (f"{MORE}:", None, {
        "norms 0.25 apart are decided": until_decided([0.25, 0], is_decided),
        "all pairs of norms 0, 0, 1 are decided": until_decided([0, 0, 1], is_decided, every=True),
    }),
    ("equals come out real", None, {
        "an undecided pilot of 5, then all tested again: what until-decided is for": found_after_pilot(5, False, 0.0),
    }),
]  # fmt: skip


def run(what: str, setting: str, target: tuple[float, float] | None, once: Once, repetitions: int) -> Result:
    rng = np.random.default_rng(zlib.crc32(f"{what}: {setting}".encode()))  # each check its own, whatever else runs
    happened, runs = np.mean([once(rng) for _ in range(repetitions)], axis=0).tolist()
    error = math.sqrt(happened * (1 - happened) / repetitions)
    met = None if target is None else target[0] <= happened <= target[1]
    return Result(what, setting, happened, error, target, met, repetitions, runs)


def row(result: Result) -> str:
    low, high = result.target or (0, 1)
    target = f"{100 * low:g} to {100 * high:g} %" if result.target else "none"
    met = {None: "", True: "met", False: "**missed**"}[result.met]
    rate = f"{100 * result.rate:.2f} % | {100 * result.std_error:.2f} %"
    return f"| {result.what} | {result.setting} | {rate} | {target} | {met} | {result.mean_runs_per_norm:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="How often normbench's statistics are right, by simulation.")
    parser.add_argument("--repetitions", type=int, default=20_000)
    parser.add_argument("--only", default="", help="checks whose row contains this")
    parser.add_argument("--output", type=Path, help="the numbers as JSON")
    arguments = parser.parse_args()
    print("| what is counted | setting | how often | standard error | target | | runs per norm |")
    print("|:--|:--|--:|--:|--:|:--|--:|")
    results = []
    for what, target, settings in CHECKS:
        for setting, once in settings.items():
            if arguments.only in f"{what}: {setting}":
                results.append(run(what, setting, target, once, arguments.repetitions))
                print(row(results[-1]), flush=True)
    if arguments.output:
        versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
        content = {"std_points": STD, "delta_points": DELTA, "versions": versions, "checks": list(map(asdict, results))}
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()

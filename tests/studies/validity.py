"""How often normbench's statistics are right, by simulation with the very functions that `compare` and `sweep` call.

Each check draws runs of norms whose true means are known, normally distributed unless it says otherwise, std 0.3
points (what seeds of the same small network scatter by) and delta 0.5 points unless it says otherwise.

    python -m tests.studies.validity [--repetitions 4000] [--only WORDS] [--output validity.json]

prints a table in Markdown and writes the numbers. About 4 minutes on a free core.
"""

import argparse
import json
import math
import platform
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy

from tests.studies.experiments import (
    DELTA,
    NEVER,
    STD,
    Once,
    alarm,
    all_cover,
    any_rank_wrong,
    covered,
    covers_difference,
    covers_mean,
    estimate_covers,
    estimate_is_above,
    false_alarm,
    fixed,
    flip_alarm,
    found_after_pilot,
    found_at_known_spread,
    is_decided,
    is_real,
    looked_again,
    partly_alarm,
    probability,
    too_far_from_0,
    until_decided,
    welch_alarm,
    welch_alarm_of_pairs,
    welch_covers,
    wrongly_smaller,
)

FIVE_PERCENT, AT_MOST_FIVE, HALF = (0.035, 0.065), (0.0, 0.065), (0.485, 0.515)
COVERS, COVERS_AT_LEAST, NINE_IN_TEN = (0.935, 0.965), (0.935, 1.0), (0.9, 1.0)

MORE = "until decided within 0.5, at most 20 runs"
ONLY_REAL = "until decided, boundary for real alone"
MATCHED = "same seeds"
CORRELATIONS = (-0.5, 0, 0.5, 0.9)
SIX = [0.0] * 6
CHECKS: list[tuple[str, tuple[float, float] | None, dict[str, Once]]] = [
    ("equals come out real", FIVE_PERCENT, {
        **{
            f"{MATCHED}, n = {n}, correlation {r}": alarm(n, r)
            for n in (3, 5, 10, 30) for r in CORRELATIONS
        },
        **{
            f"{MATCHED}, n = {n}, correlation {r}, std 0.3 and 0.9": alarm(n, r, 0.9)
            for n in (3, 10) for r in (-0.5, 0.9)
        },
        **{
            f"{MATCHED}, n = {n}, correlation {r}, skewness -1.4": alarm(n, r, shape=2)
            for n in (3, 10, 30) for r in (0, 0.5)
        },
        **{
            f"{MATCHED}, n = {n}, correlation {r}, std 0.3 and 0.9, skewness -1": alarm(n, r, 0.9, 4)
            for n in (3, 10, 30) for r in (0, 0.5)
        },
        **{
            f"{MATCHED}, n = {n}, correlation 0.5, std 0.3 and 0.9, skewness -1.4": alarm(n, 0.5, 0.9, 2)
            for n in (5, 10, 30)
        },
        "other seeds, n = 5 and 5": welch_alarm(5, 5),
        "other seeds, n = 3 and 3": welch_alarm(3, 3),
        "other seeds, n = 4 and 12, std 0.6 and 0.2": welch_alarm(4, 12, 0.6, 0.2),
        f"{ONLY_REAL}, at most 20 runs": until_decided([0, 0], false_alarm, delta=NEVER),
        f"{ONLY_REAL}, correlation -0.5": until_decided([0, 0], false_alarm, delta=NEVER, correlation=-0.5),
        f"{ONLY_REAL}, correlation 0.9": until_decided([0, 0], false_alarm, delta=NEVER, correlation=0.9),
        f"{ONLY_REAL}, at most 10, first look at 3": until_decided([0, 0], false_alarm, delta=NEVER, most=10),
        f"{ONLY_REAL}, std 0.2 and 0.6": until_decided([0, 0], false_alarm, delta=NEVER, stds=[0.2, 0.6]),
        f"{ONLY_REAL}, skewness -1.4": until_decided([0, 0], false_alarm, delta=NEVER, shape=2),
        f"{ONLY_REAL}, a tenth diverging": until_decided([0, 0], false_alarm, delta=NEVER, diverged=0.1),
    }),
    ("equals come out real", AT_MOST_FIVE, {
        **{
            f"{n_a} and {n_b} runs, {m} seeds in common, correlation {r}": partly_alarm(n_a, n_b, m, r)
            for n_a, n_b, m in ((5, 4, 4), (10, 10, 5), (10, 8, 8)) for r in (-0.5, 0, 0.9)
        },
        "sign flip, 8 seeds": flip_alarm(8),
        MORE: until_decided([0, 0], false_alarm),
    }),
    ("any pair of equals comes out real", AT_MOST_FIVE, {
        "3 equal norms, all pairs, 5 runs": fixed([0, 0, 0], 5, false_alarm),
        "norms 0, 0, 1, all pairs, 5 runs": fixed([0, 0, 1], 5, false_alarm),
        "6 equal norms, all pairs, 10 runs": fixed(SIX, 10, false_alarm),
        f"{ONLY_REAL}, 3 equal norms": until_decided([0, 0, 0], false_alarm, delta=NEVER),
        f"{ONLY_REAL}, norms 0, 0, 1": until_decided([0, 0, 1], false_alarm, delta=NEVER),
        f"{MORE}, 3 equal norms": until_decided([0, 0, 0], false_alarm),
    }),
    ("any rank is wrong", AT_MOST_FIVE, {
        "6 equal norms, 10 runs": any_rank_wrong(SIX, 10),
        "10 norms, each 0.1 above the next, 5 runs": any_rank_wrong([0.1 * i for i in range(10)], 5),
        "10 norms, in pairs of equals 0.5 apart, 10 runs": any_rank_wrong([0.5 * (i // 2) for i in range(10)], 10),
    }),
    ("any pair of norms 0.5 apart comes out smaller than 0.5", FIVE_PERCENT, {
        f"{count} norms, each 0.5 from the first, 30 runs": fixed(
            [0.0, *[0.5] * (count - 1)], 30, wrongly_smaller, all_pairs=False
        )
        for count in (2, 3, 5, 15)
    }),
    ("any pair of norms 0.5 apart comes out smaller than 0.5", AT_MOST_FIVE, {
        **{
            f"{count} norms, half of them 0.5 above, all pairs, 30 runs": fixed(
                [0.5 * (i % 2) for i in range(count)], 30, wrongly_smaller
            )
            for count in (3, 5, 6, 15)
        },
        "2 norms, 12 runs": fixed([0, 0.5], 12, wrongly_smaller),
        MORE: until_decided([0.5, 0], wrongly_smaller),
        f"{MORE}, any pair of 0, 0.5, 1": until_decided([0, 0.5, 1], wrongly_smaller),
    }),
    ("the 95 % interval covers", COVERS, {
        "mean, 5 runs": covers_mean(5),
        **{
            f"difference, {MATCHED}, n = {n}, correlation {r}": covers_difference(n, r)
            for n in (3, 5) for r in (-0.5, 0.9)
        },
        f"difference, {MATCHED}, n = 5, std 0.3 and 0.6": covers_difference(5, 0, 0.6),
        "difference, other seeds, n = 5 and 10, std 0.3 and 0.6": welch_covers(5, 10, 0.3, 0.6),
        "P(A beats B), 5 runs": probability(5, STD, estimate_covers),
        "P(A beats B), 2 runs": probability(2, STD, estimate_covers),
        "P(A beats B), 5 runs, std 0.3 and 0.6": probability(5, 0.6, estimate_covers),
    }),
    ("the intervals of all pairs cover at once", COVERS_AT_LEAST, {
        f"{count} equal norms, {n} runs": all_cover([0.0] * count, n)
        for count, n in ((3, 5), (6, 5), (6, 20), (15, 10))
    }),
    ("the estimate is above the truth", HALF, {
        f"P(A beats B), {n} runs": probability(n, STD, estimate_is_above) for n in (2, 5)
    }),
    ("the repeated interval covers where it stopped", COVERS_AT_LEAST, {
        f"{ONLY_REAL}, {true} apart": until_decided([true, 0], covered, delta=NEVER) for true in (0, 0.5, 1)
    }),
    ("the repeated interval covers where it stopped", None, {
        **{
            f"{MORE}, {true} apart; 90 % where it is equivalent": until_decided([true, 0], covered)
            for true in (0, 0.25, 0.5)
        },
        f"{MORE}, all 15 pairs of 6 equal norms at once": until_decided(SIX, covered, every=True),
    }),
    ("the difference at a stop is farther from 0 than the truth", None, {
        f"{MORE}, {true} apart": until_decided([true, 0], too_far_from_0) for true in (0.3, 0.5)
    }),
    ("a true 0.5 is found at the recommended count", NINE_IN_TEN, {
        "spread known": found_at_known_spread(),
        "spread known, level of 3 pairs": found_at_known_spread(3),
        "pilot of 5": found_after_pilot(5),
        "pilot of 5, std 0.3 and 0.6": found_after_pilot(5, 0.6),
        "pilot of 3": found_after_pilot(3),
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
    ("equals come out real, by what the tool advises against", None, {
        "Welch, same seeds, n = 10, correlation -0.5": welch_alarm_of_pairs(10, -0.5),
        "Welch, same seeds, n = 10, correlation 0.9": welch_alarm_of_pairs(10, 0.9),
        "an undecided 5, then 5 more, and another look": looked_again(5, 5),
        "until decided on 5 seeds that were compared before": until_decided([0, 0], false_alarm, looked_at=5),
        "the same within 0.2": until_decided([0, 0], false_alarm, looked_at=5, delta=0.2),
    }),
]  # fmt: skip


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


def share_of(setting: str, target: tuple[float, float] | None) -> float:
    """Of the repetitions: fewer where one takes long, more where the rate is close to the end of its target."""
    if setting.startswith(("10 norms", "15 norms")):
        return 1 / 4
    is_close = target is HALF or (target is FIVE_PERCENT and setting.startswith(ONLY_REAL))
    return 4 if is_close else 1


def run(what: str, setting: str, target: tuple[float, float] | None, once: Once, repetitions: int) -> Result:
    rng = np.random.default_rng(zlib.crc32(f"{what}: {setting}".encode()))  # each check its own, whatever else runs
    repetitions = math.ceil(repetitions * share_of(setting, target))
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
    parser.add_argument("--repetitions", type=int, default=4_000)
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

"""Starts two to eight processes on one experiment, kills some, and checks that each run is trained exactly once.

    python -m tests.robustness.crowd [--rounds 6] [--seed 0]

A round starts several `sweep` and `train` at once on an empty folder. In every second round some are killed, and one
more sweep completes the work. In the other rounds every process has to end by itself; their output says which process
trained which run. If anything is wrong, prints the folder that shows it and exits with code 1. Needs Linux.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.robustness import folders
from tests.robustness.attempts import SIGNALS, Attempt, adopt_orphans, begin, finish, kill_later
from tests.robustness.crash import EXPECTED, Kind, prepare, undisturbed

RUNS = 4
TITLES = {"BN seed 0": "bn", "GN(4) seed 0": "gn"}
BUSY = "another process is training this run"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="crowd-"))
    adopt_orphans()
    sweep = next(kind for kind in prepare(place) if kind.name == "sweep bn gn")
    (place / "one.yaml").write_text("extends: default.yaml\nname: tiny\ntrain: {epochs: 3}\n")
    undisturbed(sweep, place, anew=False)
    for number in range(chosen.rounds):
        rng = random.Random(chosen.seed * 1000 + number)
        size = rng.randint(2, 8)
        wrong = one_round(sweep, size, rng, place, kills=number % 2 == 1)
        print(f"round {number}: {size} processes: {'; '.join(wrong) or 'as one undisturbed'}", flush=True)
        if wrong:
            print(f"see {place}")
            sys.exit(1)
    shutil.rmtree(place)


def one_round(sweep: Kind, size: int, rng: random.Random, place: Path, *, kills: bool) -> list[str]:
    results = place / "results"
    shutil.rmtree(results, ignore_errors=True)
    common = [*sweep.arguments[sweep.arguments.index("--data") :], "--results", results]
    of_sweep = ["sweep", place / "sweep.yaml", "--jobs", "2", *common]
    trained: Counter[str] = Counter()
    attempts: dict[Attempt, str] = {}  # process -> title of the run it trains; "" for a sweep
    for number in range(size):
        title = "" if number < 2 else rng.choice(["", *TITLES])
        of_train = ["train", "--config", place / "one.yaml", "--norm", TITLES.get(title), *common]
        attempts[begin(of_train if title else of_sweep, place / f"output-{number}")] = title
    if kills:
        for attempt in rng.sample(list(attempts), size // 2):
            kill_later(attempt, rng.random() * sweep.took_s, rng.choice(SIGNALS), "itself", rng)
    finish(list(attempts))
    wrong = [f"exit code {a.code}: {a.text[-2000:]}" for a in attempts if not as_expected(a, kills=kills)]
    for attempt, title in attempts.items():
        if not title:
            trained.update(trained_here(attempt.text))
        elif attempt.code == 0 and "finished already" not in attempt.text:
            trained[title] += 1
    wrong += [f"{title} was trained {count} times" for title, count in trained.items() if count > 1]
    if kills:
        finish([begin(of_sweep, place / "output-last")])
    elif len(trained) != RUNS:
        wrong.append(f"only {', '.join(trained)} were trained, as they say")
    return wrong + folders.wrong_in_finished(sweep.reference, results)


def as_expected(attempt: Attempt, *, kills: bool) -> bool:
    if "Traceback" in attempt.text or "this is a bug" in attempt.text:
        return False
    if attempt.code == 4 and BUSY in attempt.text:  # a `train` of a run that another process is training
        return True
    return attempt.code in (EXPECTED if kills else {0})


def trained_here(text: str) -> list[str]:
    """Titles of the runs that a sweep trained, from its lines `2/4  BN seed 0  test 40.00%  loss 1.0  3 s`."""
    over = [line.split("  ") for line in text.splitlines() if "  loss " in line and "/" in line.split("  ")[0]]
    return [parts[1] for parts in over if parts[-1] != "finished already"]


if __name__ == "__main__":
    main()

"""Kills `train` and `sweep` at random moments until they are done, and checks that nothing is lost or wrong.

    python -m tests.robustness.crash [--kills 120] [--seed 0] [--only WORD]

A story trains a tiny experiment whose process is killed and started again several times. A kill is SIGKILL, SIGTERM,
SIGINT, an exit with the code of the kernel's out-of-memory killer, or too little memory. It hits the process, one of
its workers, or all of them, at a random moment or at a random change of a file. Checkpoints are damaged in between.

Afterwards the results must equal those of an undisturbed run bit for bit, times excepted, and no other file may be
there. Prints a table of the kills. If anything is wrong, prints the folder that shows it and exits with code 1. Needs
Linux.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.kernel_cache import with_kernels
from tests.robustness import folders
from tests.robustness.attempts import (
    SIGNALS,
    Attempt,
    Fuse,
    Hangs,
    adopt_orphans,
    begin,
    finish,
    kill_later,
    session,
    starve_later,
)
from tests.tiny import make_folder

COMMON = [
    *("--data", "folder", "--batch-size", "8", "--device", "cpu"),
    *("--set", "train.precision=fp32", "--set", "model.dropout=0.1"),
]
STEPS = {"train": 120, "sweep": 200}  # approximate number of changes of files in one process
SWEEP = """
extends: default.yaml
name: tiny
train: {epochs: 3}
seeds: [0, 1]
sweep: {norm: [bn, gn]}
"""
TUNE = "tune: {train.optimizer.lr: [0.01, 0.02], seeds: [7]}\n"
STARVED = "too little memory"
EXPECTED = {0, 4, 130, 137, -2, -9, -15}  # exit codes; 4: a worker died, or memory was short
OF_THE_STARVED = {-6, -11}  # abort of C++ without memory; segmentation fault of a stack that cannot grow


@dataclass
class Kind:
    """A command; the results and the duration of an undisturbed run of it."""

    name: str
    arguments: list[str]
    reference: Path
    took_s: float = 0.0


@dataclass
class Tally:
    """Counts of what was done, for the table at the end."""

    kills: Counter[str] = field(default_factory=Counter)
    over_before: int = 0
    half_written: int = 0
    damaged: int = 0
    damaged_between: int = 0
    unrecognized: int = 0
    hung: int = 0
    """Python's `Thread.start` waits for ever for a thread that finds no memory: python/cpython issue 140746."""
    stories: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--anew", action="store_true", help="each process a new Python, as a user starts it: slow")
    parser.add_argument("--only", default="", help="the kinds of stories with this word in their name")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="crash-"))
    adopt_orphans()
    kinds = [kind for kind in prepare(place) if chosen.only in kind.name]
    for kind in kinds:
        undisturbed(kind, place, anew=chosen.anew)
    tally = Tally()
    started = time.monotonic()
    number = 0
    while sum(tally.kills.values()) < chosen.kills:
        seed = chosen.seed * 10_000 + number
        wrong = story(kinds[number % len(kinds)], random.Random(seed), place, tally, anew=chosen.anew)
        number += 1
        print(f"{sum(tally.kills.values())} of {chosen.kills} kills", end="\r", file=sys.stderr, flush=True)
        if wrong:
            print(f"story {seed} of {kinds[(number - 1) % len(kinds)].name}:", *wrong, f"see {place}", sep="\n  ")
            sys.exit(1)
    took_s = time.monotonic() - started
    print(f"{sum(tally.kills.values())} kills in {number} stories and {took_s:.0f} s: all as undisturbed")
    for name, count in sorted(tally.kills.items()):
        print(f"  {count:4}  {name}")
    print(f"  {tally.over_before:4}  attempts were over before their kill came")
    print(f"  {tally.half_written:4}  half-written files were left by the kills, and removed later")
    print(f"  {tally.damaged_between:4}  checkpoints were damaged between kills")
    print(f"  {tally.damaged:4}  checkpoints were damaged before the last attempt, which said so")
    print(f"  {tally.unrecognized:4}  times lack of memory was not recognized as such, and called a bug")
    print(f"  {tally.hung:4}  times Python waited for a thread that found no memory to begin, and was killed")
    for name, count in tally.stories.items():
        print(f"  {count:4}  stories of {name}")
    shutil.rmtree(place)


def prepare(place: Path) -> list[Kind]:
    images = make_folder(place / "images")
    for name in ("cache", "temporary"):
        (place / name).mkdir()
    os.environ |= {"NORMBENCH_CACHE": str(with_kernels(place / "cache")), "TMPDIR": str(place / "temporary")}
    (place / "sweep.yaml").write_text(SWEEP)
    (place / "tuned.yaml").write_text(SWEEP.replace("name: tiny", "name: tuned").replace("[0, 1]", "[0]") + TUNE)
    common = [*COMMON, "--data-dir", str(images)]
    moving = [part for key in ("warmup_steps=2", "r_steps=30", "d_steps=30") for part in ("--set", f"norm.{key}")]
    diverging = ["--norm", "none", "--epochs", "6", "--set", "train.optimizer=sgd", "--lr", "1e9"]
    sweep, tuned = (["sweep", str(place / f"{name}.yaml"), "--jobs", "2", *common] for name in ("sweep", "tuned"))
    commands = {
        "train bn": ["train", *common, "--epochs", "6"],
        "train brn": ["train", *common, "--epochs", "6", "--norm", "brn", *moving],
        "sweep bn gn": sweep,
        "train diverging": ["train", *common, *diverging],
        "sweep tuned": tuned,
        "sweep together": [*sweep, "--together", "lanes"],
        "sweep until decided": [*sweep, "--until-decided", "--max-seeds", "2"],
    }
    return [Kind(name, arguments, place / "reference" / name) for name, arguments in commands.items()]


def undisturbed(kind: Kind, place: Path, *, anew: bool) -> None:
    attempt = begin([*kind.arguments, "--results", kind.reference], place / "output", anew=anew)
    finish([attempt])
    kind.took_s = time.monotonic() - attempt.started
    expected = 4 if "diverging" in kind.name else 0
    assert attempt.code == expected, attempt.text


def story(kind: Kind, rng: random.Random, place: Path, tally: Tally, *, anew: bool) -> list[str]:
    """Kills the command several times, or until it is done, then lets it end; returns what is wrong."""
    results = place / "results"
    shutil.rmtree(results, ignore_errors=True)
    if rng.random() < 0.5:
        for file in (place / "cache").glob("*.safetensors"):
            file.unlink()
    command = [*kind.arguments, "--results", results]
    tally.stories[kind.name] += 1
    wrong: list[str] = []
    attempts: list[Attempt] = []
    for number in range(rng.randint(2, 8)):
        attempt, how = disturbed(kind, command, place / f"output-{number}", rng, anew=anew)
        attempts.append(attempt)
        linger = kind.name.startswith("sweep") and rng.random() < 0.3  # then its workers still run when the next begins
        try:
            finish([attempt], descendants=not linger)
        except Hangs:
            if how != STARVED:
                raise
            tally.hung += 1
            for pid in session(attempt.pid):
                os.kill(pid, signal.SIGKILL)
            finish([attempt])
        if how == STARVED and attempt.code == 1:  # any library may fail in its own way without memory
            tally.unrecognized += 1
            for log in (place / "temporary").iterdir():
                log.unlink()
        else:
            wrong += unexpected(attempt, how)
        if not linger and results.exists():
            wrong += [f"after {how}: {text}" for text in folders.wrong_in_unfinished(kind.reference, results)]
        if wrong:
            return wrong
        if attempt.code == 0 or (attempt.code == 4 and "diverging" in kind.name):
            tally.over_before += 1
            kind.took_s = time.monotonic() - attempt.started
            break
        tally.kills[f"{kind.name.split()[0]}: {how}"] += 1
        tally.half_written += folders.half_written(results)
        if not linger and rng.random() < 0.2:
            tally.damaged_between += len(damage(results, rng))
    finish([])
    damaged = damage(results, rng) if rng.random() < 0.8 else []
    last = begin(command, place / "output-last", anew=anew)
    finish([last])
    wrong += [] if last.code == (4 if "diverging" in kind.name else 0) else [f"exit code {last.code}: {last.text}"]
    if damaged:
        tally.damaged += len(damaged)
        wrong += [] if "is damaged" in last.text else [f"not said to be damaged: {damaged}"]
    wrong += folders.wrong_in_finished(kind.reference, results)
    elsewhere = folders.names(place / "temporary") | folders.names(place / "cache")
    return wrong + [
        f"left behind: {name}" for name in elsewhere if not name.endswith((".safetensors", ".lock", ".so", ".json"))
    ]


def disturbed(
    kind: Kind, command: list[object], output: Path, rng: random.Random, *, anew: bool
) -> tuple[Attempt, str]:
    """Starts the command and arranges its end; returns the process and the kind of kill in words."""
    is_sweep = kind.name.startswith("sweep")
    if not anew and rng.random() < 0.5:
        how = rng.choice([*(number.name for number in SIGNALS), "SIGKILL", "exit"])
        # Low numbers are more likely, because many attempts begin near the end of the experiment.
        most = rng.randint(1, STEPS[kind.name.split()[0]])
        fuse = Fuse(rng.randrange(most), how, rng.random() * 2)
        return begin(command, output, fuse.arm), f"{how} while changing files"
    attempt = begin(command, output, anew=anew)
    after_s = rng.random() * kind.took_s
    if rng.random() < 0.15:
        starve_later(attempt, after_s, rng)
        return attempt, STARVED
    number = rng.choice(SIGNALS)
    whom = rng.choice(["itself", "itself", "all", "worker"]) if is_sweep else "itself"
    kill_later(attempt, after_s, number, whom, rng)
    return attempt, f"{number.name} to {whom}"


def unexpected(attempt: Attempt, how: str) -> list[str]:
    expected = EXPECTED | OF_THE_STARVED if how == STARVED else EXPECTED
    if attempt.code in expected and "Traceback" not in attempt.text and "this is a bug" not in attempt.text:
        return []
    return [f"after {how}: exit code {attempt.code}: {attempt.text[-3000:]}"]


def damage(results: Path, rng: random.Random) -> list[Path]:
    """Damages most checkpoints of unfinished runs; returns them if the newest of a run is among them."""
    damaged = []
    for path in sorted(results.rglob("checkpoint*.safetensors")):
        if (path.parent / folders.RECORD).exists() or rng.random() < 0.3:
            continue
        content = bytearray(path.read_bytes())
        match rng.choice(["cut", "flip", "empty", "other"]) if content else "other":
            case "cut":
                del content[rng.randrange(len(content)) :]
            case "flip":
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            case "empty":
                content.clear()
            case "other":
                content = bytearray(rng.randbytes(1000))
        path.write_bytes(content)
        damaged.append(path)
    return damaged if any(path.name == "checkpoint.safetensors" for path in damaged) else []


if __name__ == "__main__":
    main()

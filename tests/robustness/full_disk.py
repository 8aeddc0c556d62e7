"""Trains on a disk that fills up, and checks that the run says so, loses nothing, and goes on once there is room.

    python -m tests.robustness.full_disk [--times 30] [--seed 0]

The results are on a small file system in memory. Every second time it is too small from the start; the other times it
is filled up at a random change of a file, so that each file is sometimes the one that does not fit. Which files, and
how often, is printed. Then the file system grows, and the same command has to end as an undisturbed run does. A
file system that is read-only is tried too. Exit code 1 if anything is wrong. Needs Linux, and root to mount.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.robustness import folders
from tests.robustness.attempts import Attempt, Fuse, adopt_orphans, begin, finish
from tests.robustness.crash import STEPS, Kind, prepare, undisturbed

PLENTY_KIB = 64 * 1024


@dataclass
class Ballast(Fuse):
    """Fills a file system up to `left_bytes` at the chosen change of a file."""

    disk: Path = Path()
    left_bytes: int = 0

    def go_off(self, descriptor: int | None) -> None:
        size = max(0, shutil.disk_usage(self.disk).free - self.left_bytes)
        with suppress(OSError), (self.disk / f"ballast-{os.getpid()}").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="full-disk-"))
    adopt_orphans()
    wrong: list[str] = []
    for kind in prepare(place):
        if kind.name in ("train bn", "sweep bn gn"):
            undisturbed(kind, place, anew=False)
            wrong += full(kind, place, chosen.times, random.Random(chosen.seed)) + read_only(kind, place)
    print(*wrong or ["nothing was lost"], sep="\n")
    if wrong:
        sys.exit(1)
    shutil.rmtree(place)


def full(kind: Kind, place: Path, times: int, rng: random.Random) -> list[str]:
    wrong: list[str] = []
    said: Counter[str] = Counter()
    for number in range(times):
        too_small = number % 2 == 0
        disk = mounted(place / "disk", rng.randrange(8, 1200, 4) if too_small else PLENTY_KIB)
        try:
            steps = STEPS[kind.name.split()[0]]
            fuse = Ballast(steps if too_small else rng.randrange(steps), "", 1, disk, rng.randrange(8) * 4096)
            first = attempt(kind, disk, place, fuse)
            if first.code != 0:
                found = re.findall(r"(\S+): the disk is full", first.text)
                said.update(sorted({Path(name).name for name in found}))
                wrong += [] if found and first.code == 4 else [f"exit {first.code}: {first.text}"]
            wrong += folders.wrong_in_unfinished(kind.reference, disk / "results")
            for ballast in disk.glob("ballast-*"):
                ballast.unlink()
            mounted(disk, PLENTY_KIB, "remount")
            second = attempt(kind, disk, place)
            wrong += [] if second.code == 0 else [f"with room: exit {second.code}: {second.text}"]
            wrong += folders.wrong_in_finished(kind.reference, disk / "results")
        finally:
            subprocess.run(["umount", disk], check=True)
    print(f"{kind.name}: {times} full disks, full at", dict(said))
    return wrong


def read_only(kind: Kind, place: Path) -> list[str]:
    disk = mounted(place / "disk", PLENTY_KIB)
    try:
        mounted(disk, PLENTY_KIB, "remount,ro")
        refused = attempt(kind, disk, place)
        print(f"{kind.name}, may only read: {refused.text.splitlines()[-1]}")
        wrong = [] if refused.code == 2 and "cannot be written" in refused.text else [f"read-only: {refused.text}"]
        mounted(disk, PLENTY_KIB, "remount,rw")
        attempt(kind, disk, place)
        mounted(disk, PLENTY_KIB, "remount,ro")
        again = attempt(kind, disk, place)
        wrong += [] if again.code == 0 else [f"finished, then read-only: exit {again.code}: {again.text}"]
        return wrong + folders.wrong_in_finished(kind.reference, disk / "results")
    finally:
        subprocess.run(["umount", disk], check=True)


def mounted(disk: Path, kib: int, *options: str) -> Path:
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={kib}k"]), "tmpfs", disk], check=True)
    return disk


def attempt(kind: Kind, disk: Path, place: Path, fuse: Fuse | None = None) -> Attempt:
    begun = begin([*kind.arguments, "--results", disk / "results"], place / "output", fuse.arm if fuse else None)
    finish([begun])
    return begun


if __name__ == "__main__":
    main()

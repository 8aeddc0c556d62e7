"""Trains on a disk that is full: at every size of it the run says so, loses nothing, and goes on once there is room.

    python -m tests.robustness.full_disk [--steps 40]

The results lie on a small file system in memory, of a size that grows by steps from next to nothing, so that each file
of a run is in turn the one that does not fit; then it is made large, and the same command has to end as an undisturbed
run does. The same with a file system that may only be read. Exit code 1 if anything is wrong. Needs Linux, and root to
mount.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.robustness import folders
from tests.robustness.attempts import Attempt, adopt_orphans, begin, finish
from tests.robustness.crash import Kind, prepare, undisturbed

PLENTY_KIB = 64 * 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=40, help="sizes of the disk")
    steps = parser.parse_args().steps
    place = Path(tempfile.mkdtemp(prefix="full-disk-"))
    adopt_orphans()
    wrong: list[str] = []
    for kind in prepare(place):
        if kind.name in ("train bn", "sweep bn gn"):
            undisturbed(kind, place, anew=False)
            wrong += full(kind, place, steps) + read_only(kind, place)
    print(*wrong or ["nothing was lost"], sep="\n")
    if wrong:
        sys.exit(1)
    shutil.rmtree(place)


def full(kind: Kind, place: Path, steps: int) -> list[str]:
    needed_kib = sum(path.stat().st_size for path in kind.reference.rglob("*") if path.is_file()) // 1024 + 1024
    wrong: list[str] = []
    said: Counter[str] = Counter()
    for step in range(steps):
        size = 8 + needed_kib * step // steps // 4 * 4  # in pages
        disk = mounted(place / "disk", size)
        try:
            first = attempt(kind, disk, place)
            if first.code != 0:
                found = re.findall(r"(\S+): the disk is full", first.text)
                said.update(sorted({Path(name).name for name in found}))
                wrong += [] if found and first.code == 4 else [f"{size} KiB: exit {first.code}: {first.text}"]
            wrong += [f"{size} KiB: {text}" for text in folders.wrong_in_unfinished(kind.reference, disk)]
            mounted(disk, PLENTY_KIB, "remount")
            second = attempt(kind, disk, place)
            wrong += [] if second.code == 0 else [f"{size} KiB, then plenty: exit {second.code}: {second.text}"]
            wrong += [f"{size} KiB, then plenty: {text}" for text in folders.wrong_in_finished(kind.reference, disk)]
        finally:
            subprocess.run(["umount", disk], check=True)
    print(f"{kind.name}: {steps} disks of 8 to {needed_kib + 8} KiB, full at", dict(said))
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
        return wrong + folders.wrong_in_finished(kind.reference, disk)
    finally:
        subprocess.run(["umount", disk], check=True)


def mounted(disk: Path, kib: int, *options: str) -> Path:
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={kib}k"]), "tmpfs", disk], check=True)
    return disk


def attempt(kind: Kind, disk: Path, place: Path) -> Attempt:
    begun = begin([*kind.arguments, "--results", disk], place / "output")
    finish([begun])
    return begun


if __name__ == "__main__":
    main()

"""Which levels this machine has, and how fast each one multiplies: measured once, and kept in the cache folder."""

import hashlib
import json
import math
import subprocess
import tempfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from normbench.errors import DataError
from normbench.files import holding, is_users_own, private_cache_folder, put_in_place, read_regular, scratch_beside
from normbench.kernels.build import BuildError, Compiler, processor, run_compiler
from normbench.kernels.levels import IS_X86, LEVELS, PORTABLE

FLAGS = ("-std=c++17", "-O2")
ROUNDS = 3  # of all levels in turn: other processes may hold up one of them
TIMEOUT_S = 10.0  # for a few milliseconds of work
MAX_BYTES = 2**12

Rates = dict[str, float]
"""By level that the machine and the compiler have: multiply-adds of one core in a nanosecond."""


def level_rates(compiler: Compiler) -> Rates:
    """The rates of the levels of this machine, from the cache folder or measured now.

    Levels differ in their bits, so what was measured once stays: a run that goes on, and the next run of an experiment,
    have the same level. Nothing is measured where there is only one level. A compiler that makes no programs has no
    rates.
    """
    if not IS_X86:
        return {}
    try:
        folder = private_cache_folder("kernels")
        return _kept_rates(folder / f"levels-{_key(compiler)}.json", compiler)
    except (DataError, OSError):  # no home folder, not writable, a file system without locks
        with tempfile.TemporaryDirectory(prefix="normbench-") as scratch:
            return measure(compiler, Path(scratch))


def _kept_rates(place: Path, compiler: Compiler) -> Rates:
    """What the file at `place` says; it is written first if it is missing or damaged. Raises OSError."""
    if rates := _read(place):
        return rates
    with holding(place.with_suffix(".lock")), scratch_beside(place) as scratch:
        if rates := _read(place):  # by now another process may have measured
            return rates
        work = Path(tempfile.mkdtemp(dir=scratch))
        rates = measure(compiler, work)
        if not rates:
            return rates
        part = work / place.name
        part.touch(mode=0o600)
        part.write_text(json.dumps(rates))
        put_in_place(part, place)
    return rates


def _read(place: Path) -> Rates | None:
    """None for a file that is missing or damaged. Raises PermissionError for one that others could have written."""
    try:
        if not is_users_own(place):
            raise PermissionError(f"others can write {place}")
        found = json.loads(read_regular(place, MAX_BYTES))
    except (FileNotFoundError, ValueError):
        return None
    sound = isinstance(found, dict) and PORTABLE in found and found.keys() <= LEVELS.keys()
    return found if sound and all(_is_rate(rate) for rate in found.values()) else None


def _is_rate(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value > 0


def measure(compiler: Compiler, folder: Path) -> Rates:
    """Compile `probe.cpp` for each level in an empty folder, and run what the compiler can make."""
    source = folder / "probe.cpp"
    source.write_bytes(_source())
    programs = []
    for level, flags in LEVELS.items():
        with suppress(BuildError):  # a compiler that is older than the level
            run_compiler(compiler, folder, *FLAGS, *flags, source.name, "-o", level)
            programs.append(folder / level)
    rates: Rates = {}
    for program in programs * ROUNDS:
        if (rate := _run(program)) is not None:
            rates[program.name] = max(rate, rates.get(program.name, 0.0))
    return rates


def _run(program: Path) -> float | None:
    """None if the processor or the system does not allow the level."""
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=TIMEOUT_S)  # noqa: S603
        rate = float(done.stdout)
        return rate if _is_rate(rate) else None
    return None


def _source() -> bytes:
    return (files("normbench.kernels") / "probe.cpp").read_bytes()


def _key(compiler: Compiler) -> str:
    """A digest of what decides the rates. A home folder may be shared by machines of several kinds."""
    words = [*compiler, *FLAGS, *(flag for flags in LEVELS.values() for flag in flags)]
    return hashlib.sha256(b"\0".join([_source(), processor(), *(word.encode() for word in words)])).hexdigest()[:32]

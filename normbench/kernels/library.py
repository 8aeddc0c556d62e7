"""Loading the kernels: compiled by the first process on a machine, then loaded from the user's cache folder.

Kernels are never required. Without them PyTorch computes every layer, and `kernels_status` says why they are off.
"""

import ctypes
import hashlib
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from normbench.errors import DataError
from normbench.files import (
    holding,
    is_users_own,
    private_cache_folder,
    put_in_place,
    read_regular,
    scratch_beside,
    scratch_of,
)
from normbench.kernels.build import Build, BuildError, Compiler, compiler_name, find_compilers, shipped_sources
from normbench.kernels.levels import choose_level, forced_level
from normbench.kernels.probe import level_rates
from normbench.kernels.structs import STRUCTS
from normbench.text import printable, shortened

log = logging.getLogger(__name__)

RETRY_S = 24 * 3600.0
"""A build that failed is tried again after so many seconds: the disk may have been full."""
MAX_LOG_BYTES = 2**24

Structs = Sequence[type[ctypes.Structure]]

_disabled = False


class Library(ctypes.CDLL):
    """The loaded kernels.

    `level` is one of LEVELS. `digest` identifies their machine code: another compiler's may give other bits. Raises
    OSError for a file that is no library, RuntimeError for a library whose structs are not those of `structs`.
    """

    def __init__(self, path: Path, level: str, structs: Structs = STRUCTS) -> None:
        super().__init__(str(path))
        self.level = level
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for struct in structs:
            self._check_size(struct)

    def _check_size(self, struct: type[ctypes.Structure]) -> None:
        """With another size in C++, the kernels would read and write beyond the struct that Python made."""
        name, size = struct.__name__, ctypes.sizeof(struct)
        export = getattr(self, f"sizeof_{name}", None)
        if export is None:
            raise RuntimeError(f"internal error: kernels/csrc has no sizeof_{name} for {name} in kernels/structs.py")
        export.restype = ctypes.c_int64
        if export() != size:
            raise RuntimeError(
                f"internal error: the struct {name} has {export()} bytes in kernels/csrc and {size} in "
                "kernels/structs.py: their fields differ"
            )


def library() -> Library | None:
    """The kernels, loaded once a process; None where they are off.

    The environment variable CXX names the compiler; an empty CXX turns the kernels off. NORMBENCH_CPU names the level.
    The compiled library stays in the cache folder, and is loaded only if its bytes are those that were written, and
    nobody else can have written it. Raises ConfigError for a level that does not exist or that this machine lacks.
    """
    return None if _disabled else _kernels()[0]


@contextmanager
def without_kernels() -> Iterator[None]:
    """Inside the block `library()` returns None: PyTorch computes every layer, as on a machine without a compiler."""
    global _disabled
    before, _disabled = _disabled, True
    try:
        yield
    finally:
        _disabled = before


def kernels_status() -> str:
    """One line for people: that the kernels are on, at which level and by which compiler, or why they are off."""
    return _kernels()[1]


@cache
def _kernels() -> tuple[Library | None, str]:
    problems: list[BuildError] = []
    forced = forced_level()
    try:
        for compiler in find_compilers():
            try:
                kernels, remark = _load_level(compiler, forced)
            except BuildError as error:
                problems.append(error)
            else:
                return kernels, f"kernels on ({kernels.level}, {compiler_name(compiler)}{remark})"
    except BuildError as error:
        problems.append(error)
    return None, f"kernels off: {problems[0]}"


def _load_level(compiler: Compiler, forced: str | None) -> tuple[Library, str]:
    """The library of the forced level, else of the best one, and a remark for the status. Raises BuildError.

    Tiles that the system refuses to this process, or whose convolutions are wrong here, give way to the next level.
    """
    rates = level_rates(compiler)
    build = Build(compiler, shipped_sources(), choose_level(forced, rates))
    kernels, remark = load_or_compile(build)
    if build.level != "amx" or kernels.amx_allowed():
        return kernels, remark
    if forced:
        raise BuildError("the system refuses AMX, or convolutions by AMX are wrong on this machine")
    rest = {level: rate for level, rate in rates.items() if level != "amx"}
    kernels, remark = load_or_compile(replace(build, level=choose_level(None, rest)))
    return kernels, f"{remark}, without AMX: refused, or wrong here"


def load_or_compile(build: Build, structs: Structs = STRUCTS) -> tuple[Library, str]:
    """The library of a build, from the cache folder or compiled now, and a remark for the status.

    Raises BuildError if it cannot be compiled or loaded, RuntimeError as `Library` does.
    """
    try:
        return _load_cached(build, private_cache_folder("kernels"), structs), ""
    except (DataError, OSError) as error:  # no home folder, not writable, a file system without locks
        remark = f", compiled by each process anew: {error}"
        log.info(f"compiling the kernels, which takes some seconds at each start: {error}")
    try:
        with tempfile.TemporaryDirectory(prefix="normbench-") as folder:
            compiled = build.compile(Path(folder))
            try:
                return Library(compiled, build.level, structs), remark  # stays loaded when the file is removed
            except OSError as error:
                raise BuildError(f"the compiled library cannot be loaded: {error}") from error
    except BuildError as error:
        raise BuildError(f"{error}: {_first_error(error.output)}" if error.output else str(error)) from error
    except OSError as error:
        raise BuildError(f"no folder to compile in: {error}") from error


def _check_own(path: Path) -> None:
    if not is_users_own(path):  # loading a library runs it
        raise PermissionError(f"others can write {path}")


def _load_cached(build: Build, folder: Path, structs: Structs) -> Library:
    """Load the library in the cache; compile it first if it is missing or damaged.

    One process compiles and others wait. A build that fails is remembered with its reason for RETRY_S. Raises
    BuildError, OSError.
    """
    place = folder / build.key
    if not scratch_of(place).exists() and (found := _whole_library(place)):
        with suppress(OSError):  # not loadable: the build below says why
            return _loaded(found, place, build.level, structs)
    _check_memory(place)
    with holding(place.with_suffix(".lock")), scratch_beside(place) as scratch:
        if found := _whole_library(place):  # by now another process may have compiled it
            with suppress(OSError):
                return _loaded(found, place, build.level, structs)
        _check_memory(place)
        work = Path(tempfile.mkdtemp(dir=scratch))  # a compiler that outlived its killed parent writes elsewhere
        log.info(f"compiling the kernels for this processor ({build.level}), once")
        try:
            compiled = build.compile(work)
            compiled.chmod(0o700)
            library = _named(place, _digest(compiled))
            put_in_place(compiled, library)
            try:
                return _loaded(library, place, build.level, structs)
            except OSError as error:  # such as in a folder for data only
                why = str(error).removeprefix(f"{library}: ")
                raise BuildError(f"the library of {compiler_name(build.compiler)} cannot be loaded: {why}") from error
        except BuildError as error:
            memory = _memory(place)
            _keep(work / "log", f"{error}\n\n{error.output}\n", memory)
            raise BuildError(f"{error}, log in {memory}", error.output) from error


def _loaded(path: Path, place: Path, level: str, structs: Structs) -> Library:
    """The library, loaded. What failed before, such as for lack of memory, is then remembered no longer."""
    library = Library(path, level, structs)
    with suppress(OSError):  # a cache that can only be read
        _memory(place).unlink(missing_ok=True)
    return library


def _named(place: Path, digest: str) -> Path:
    """The name of a library holds the digest of its bytes: a file that was cut or changed is found out unloaded."""
    return place.with_name(f"{place.name}-{digest}.so")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def _whole_library(place: Path) -> Path | None:
    """The library in the cache whose bytes are those that its name tells; damaged ones are removed."""
    for path in place.parent.glob(f"{place.name}-*.so"):
        _check_own(path)
        if path == _named(place, _digest(path)):
            return path
        path.unlink()
    return None


def _memory(place: Path) -> Path:
    """Where a failed build is remembered: the reason in the first line, then what the compiler printed."""
    return place.with_suffix(".log")


def _check_memory(place: Path) -> None:
    """Raises BuildError if the build failed within RETRY_S; OSError if others can write the file."""
    memory = _memory(place)
    try:
        _check_own(memory)
        if not 0 <= time.time() - memory.stat().st_mtime < RETRY_S:
            return
        reason = read_regular(memory, MAX_LOG_BYTES).decode(errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return
    raise BuildError(f"{printable(shortened(reason, 200))} (log in {memory}; it is tried again once that is removed)")


def _first_error(output: str) -> str:
    lines = output.splitlines()
    return next((line for line in lines if "error" in line), lines[-1]).strip()


def _keep(part: Path, text: str, place: Path) -> None:
    """Write a file for the user's eyes only: the output may name the user's folders."""
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8", errors="replace")
    put_in_place(part, place)


def words(values: Sequence[int]) -> ctypes.Array[ctypes.c_uint64]:
    """An array of 64-bit words, such as addresses and seeds."""
    return _words(len(values))(*values)


@cache
def _words(count: int) -> type[ctypes.Array[ctypes.c_uint64]]:
    return ctypes.c_uint64 * count

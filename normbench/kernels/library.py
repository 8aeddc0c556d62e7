"""Loading the kernels: compiled by the first process on a machine, then loaded from the user's cache folder.

Kernels are never required. Without them PyTorch computes every layer, and `kernels_status` says why they are off.
"""

import ctypes
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from torch import Tensor

from normbench.errors import DataError
from normbench.files import holding, is_users_own, put_in_place, scratch_beside, scratch_of, users_cache_folder
from normbench.kernels.build import Build, BuildError, find_compiler, shipped_sources
from normbench.kernels.structs import STRUCTS

Structs = Sequence[type[ctypes.Structure]]

_disabled = False


class Library(ctypes.CDLL):
    """The loaded kernels.

    `digest` identifies their machine code: another compiler's may give other bits. Raises OSError for a file that is no
    library, RuntimeError for a library whose structs are not those of `structs`.
    """

    def __init__(self, path: Path, structs: Structs = STRUCTS) -> None:
        super().__init__(str(path))
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

    The environment variable CXX names the compiler; an empty CXX turns the kernels off. The compiled library stays in
    the user's own cache folder, whatever NORMBENCH_CACHE names, and is loaded only if nobody else can have written it.
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
    """One line for people: that the kernels are on and who compiled them, or why they are off."""
    return _kernels()[1]


@cache
def _kernels() -> tuple[Library | None, str]:
    try:
        build = Build(find_compiler(), shipped_sources())
        kernels, remark = load_or_compile(build)
    except BuildError as error:
        return None, f"kernels off: {error}"
    return kernels, f"kernels on ({Path(build.compiler).name}{remark})"


def load_or_compile(build: Build, structs: Structs = STRUCTS) -> tuple[Library, str]:
    """The library of a build, from the cache folder or compiled now, and a remark for the status.

    Raises BuildError if it cannot be compiled or loaded, RuntimeError as `Library` does.
    """
    try:
        return _load_cached(build, _cached_library(build), structs), ""
    except (DataError, OSError) as error:  # no home folder, not writable, a file system without locks or for data only
        remark = f", compiled by each process anew: {error}"
    with tempfile.TemporaryDirectory(prefix="normbench-") as folder:
        try:
            return Library(build.compile(Path(folder)), structs), remark  # stays loaded when the file is removed
        except BuildError as error:
            raise BuildError(f"{error}: {_first_error(error.output)}" if error.output else str(error)) from error
        except OSError as error:
            raise BuildError(f"the compiled library cannot be loaded: {error}") from error


def _cached_library(build: Build) -> Path:
    """The library's place in the cache folder. Raises DataError, OSError; PermissionError if others can write there."""
    folder = users_cache_folder() / "kernels"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / f"{build.key}.so"
    for path in (folder, place):
        if path.exists() and not is_users_own(path):  # loading a library runs it
            raise PermissionError(f"others can write {path}")
    return place


def _load_cached(build: Build, place: Path, structs: Structs) -> Library:
    """Load the library in the cache; compile it first if it is missing or damaged.

    One process compiles and others wait. A failed build leaves the compiler's output beside the library's place.
    """
    with suppress(OSError):  # missing or damaged
        if not scratch_of(place).exists():
            return Library(place, structs)
    log = place.with_suffix(".log")
    with holding(place.with_suffix(".lock")), scratch_beside(place) as scratch:
        with suppress(OSError):  # as above; by now another process may have compiled it
            return Library(place, structs)
        folder = Path(tempfile.mkdtemp(dir=scratch))  # a compiler that outlived its killed parent writes elsewhere
        try:
            compiled = build.compile(folder)
        except BuildError as error:
            if not error.output:
                raise
            _keep(folder / "log", error.output, log)
            raise BuildError(f"{error}, log in {log}", error.output) from error
        compiled.chmod(0o700)
        put_in_place(compiled, place)
        log.unlink(missing_ok=True)  # of an earlier attempt
        return Library(place, structs)


def _first_error(output: str) -> str:
    lines = output.splitlines()
    return next((line for line in lines if "error" in line), lines[-1]).strip()


def _keep(part: Path, text: str, place: Path) -> None:
    """Write a file for the user's eyes only: the output may name the user's folders."""
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
    put_in_place(part, place)


def pointers(*tensors: Tensor) -> tuple[ctypes.c_void_p, ...]:
    """The addresses of tensors, as arguments of the library's functions."""
    return tuple(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)


def words(values: Sequence[int]) -> ctypes.Array[ctypes.c_uint64]:
    """An array of 64-bit words, such as addresses and seeds."""
    return _words(len(values))(*values)


@cache
def _words(count: int) -> type[ctypes.Array[ctypes.c_uint64]]:
    return ctypes.c_uint64 * count

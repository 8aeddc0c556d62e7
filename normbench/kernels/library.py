"""The compiled kernels: built by the C++ compiler at hand, once a machine; without one PyTorch's own do the work."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

from torch import Tensor

from normbench.errors import DataError
from normbench.files import holding, is_users_own, put_in_place, scratch_beside, scratch_of, users_cache_folder

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", "-Wno-psabi")
TIMEOUT_S = 120


class Library(ctypes.CDLL):
    """`digest` is of its machine code: what another compiler makes may give other bits."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def pointers(*tensors: Tensor) -> tuple[ctypes.c_void_p, ...]:
    """What functions of the library take for tensors."""
    return tuple(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)


def words(values: Sequence[int]) -> ctypes.Array[ctypes.c_uint64]:
    """Many of them, such as addresses, in an array."""
    return _words(len(values))(*values)


@cache
def _words(count: int) -> type[ctypes.Array[ctypes.c_uint64]]:
    return ctypes.c_uint64 * count


@cache
def library() -> Library | None:
    """The kernels, loaded into this process; None where they cannot be built, which is no error.

    The environment variable CXX names another compiler, and none at all if it is empty. What is built is kept in the
    user's own cache folder (NORMBENCH_CACHE may name a stranger's) and loaded from there only if nobody else can have
    written it.
    """
    compiler = _compiler()
    if compiler is None:
        return None
    try:
        return _loaded(compiler)
    except (OSError, subprocess.SubprocessError):
        return None


def _compiler() -> str | None:
    named = os.environ.get("CXX")
    if named is not None:
        return shutil.which(named) if named else None
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


def _loaded(compiler: str) -> Library:
    folder = files("normbench.kernels") / "csrc"
    sources = {file.name: file.read_bytes() for file in folder.iterdir() if _is_source(file.name)}
    kept = _place(sources, compiler)
    if kept is not None:
        with suppress(OSError):  # a folder that cannot be written, or a file system without locks
            return _kept(kept, compiler, sources)
    with tempfile.TemporaryDirectory(prefix="normbench-") as scratch:
        return Library(_built(compiler, sources, Path(scratch)))  # which stays when the file goes


def _kept(place: Path, compiler: str, sources: dict[str, bytes]) -> Library:
    """One process builds, others wait for it; what a killed one left is removed by the next."""
    with suppress(OSError):  # not there, or damaged
        if not scratch_of(place).exists():
            return Library(place)
    with holding(place.with_suffix(".lock")), scratch_beside(place) as part:
        with suppress(OSError):
            return Library(place)
        scratch = tempfile.mkdtemp(dir=part)  # where no compiler that outlived its parent writes
        fresh = _built(compiler, sources, Path(scratch))
        fresh.chmod(0o700)
        put_in_place(fresh, place)
        return Library(place)


def _is_source(name: str) -> bool:
    return name.endswith((".cpp", ".h"))


def _place(sources: dict[str, bytes], compiler: str) -> Path | None:
    """Where the library built from this is kept; None where it could not be, or others could have written it."""
    built_from = [
        *(sources[name] for name in sorted(sources)),
        compiler.encode(),
        *(flag.encode() for flag in FLAGS),
        _processor(),
    ]
    try:
        folder = users_cache_folder() / "kernels"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (DataError, OSError):
        return None
    name = hashlib.sha256(b"\0".join(built_from)).hexdigest()[:32]
    kept = folder / f"{name}.so"
    return kept if all(is_users_own(path) for path in (folder, kept) if path.exists()) else None


def _built(compiler: str, sources: dict[str, bytes], folder: Path) -> Path:
    for name, source in sources.items():
        (folder / name).write_bytes(source)
    units = sorted(name for name in sources if name.endswith(".cpp"))
    objects = [f"{name}.o" for name in units]
    for unit, compiled in zip(units, objects, strict=True):
        _run(folder, compiler, *FLAGS, "-c", unit, "-o", compiled)
    # Linked without -fopenmp: threads are those of the OpenMP runtime that PyTorch has loaded. A second runtime would
    # start threads of its own, and both kinds would wait busily for each other's cores.
    linked = folder / "kernels.so"
    _run(folder, compiler, "-shared", *objects, "-o", linked.name)
    return linked


def _run(folder: Path, *command: str) -> None:
    """The compiler's own temporary files lie in `folder` too."""
    environ = os.environ | {"TMPDIR": str(folder)}
    subprocess.run(  # noqa: S603  (the compiler on the user's PATH or in CXX, on our own sources)
        command, cwd=folder, env=environ, check=True, timeout=TIMEOUT_S, capture_output=True, stdin=subprocess.DEVNULL
    )


def _processor() -> bytes:
    """What the compiler's `native` depends on: a home folder may be shared by machines of several kinds."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.node()} {platform.machine()} {platform.processor()}".encode()
    lines = cpuinfo.read_bytes().splitlines()
    return b"\n".join(sorted({line for line in lines if line.startswith((b"model name", b"flags", b"Features"))}))

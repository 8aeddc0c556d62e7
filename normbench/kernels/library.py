"""The compiled kernels: built by the C++ compiler at hand, once a machine; without one PyTorch's own do the work."""

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

from filelock import FileLock

from normbench.cache_folder import cache_folder
from normbench.errors import DataError

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", "-Wno-psabi")
TIMEOUT_S = 120


class Library(ctypes.CDLL):
    """`digest` is of its machine code: what another compiler makes may give other bits."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@cache
def library() -> Library | None:
    """The kernels, loaded into this process; None where they cannot be built, which is no error.

    The environment variable CXX names another compiler, and none at all if it is empty. What is built is kept in the
    cache folder and loaded from there only if nobody but the user can have written it.
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
    source = files("normbench.kernels").joinpath("kernels.cpp").read_bytes()
    built_from = [source, compiler.encode(), *(flag.encode() for flag in FLAGS), _processor()]
    name = hashlib.sha256(b"\0".join(built_from)).hexdigest()[:32]
    try:
        folder = cache_folder() / "kernels"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = folder / f"{name}.so"
        if _is_the_users_own(folder):
            _keep_built(kept, compiler, source)
            if _is_the_users_own(kept):
                return Library(kept)
    except (DataError, OSError, NotImplementedError):  # NotImplementedError: a file system without locks
        pass
    with tempfile.TemporaryDirectory(prefix="normbench-") as scratch:
        return Library(_built(compiler, source, Path(scratch)))  # the file may go once it is loaded


def _keep_built(kept: Path, compiler: str, source: bytes) -> None:
    """One process builds, others wait for it; what a killed one left is removed by the next."""
    part = kept.with_suffix(".part")
    if kept.exists() and not part.exists():
        return
    with FileLock(kept.with_suffix(".lock")):
        shutil.rmtree(part, ignore_errors=True)
        if kept.exists():
            return
        part.mkdir(mode=0o700)
        try:
            scratch = tempfile.mkdtemp(dir=part)  # where no compiler that outlived its parent writes
            fresh = _built(compiler, source, Path(scratch))
            fresh.chmod(0o700)
            fresh.replace(kept)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _built(compiler: str, source: bytes, folder: Path) -> Path:
    written, compiled, linked = (folder / f"kernels.{ending}" for ending in ("cpp", "o", "so"))
    written.write_bytes(source)
    _run(folder, compiler, *FLAGS, "-c", str(written), "-o", str(compiled))
    # Linked without -fopenmp: threads are those of the OpenMP runtime that PyTorch has loaded. A second runtime would
    # start threads of its own, and both kinds would wait busily for each other's cores.
    _run(folder, compiler, "-shared", str(compiled), "-o", str(linked))
    return linked


def _run(folder: Path, *command: str) -> None:
    """The compiler's own temporary files lie in `folder` too."""
    environ = os.environ | {"TMPDIR": str(folder)}
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, env=environ)


def _processor() -> bytes:
    """What the compiler's `native` depends on: a home folder may be shared by machines of several kinds."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.node()} {platform.machine()} {platform.processor()}".encode()
    lines = cpuinfo.read_bytes().splitlines()
    return b"\n".join(sorted({line for line in lines if line.startswith((b"model name", b"flags", b"Features"))}))


def _is_the_users_own(path: Path) -> bool:
    """Nobody else owns it or may write it: to load a library is to run it."""
    found = path.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and not stat.S_ISLNK(found.st_mode) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

"""Compiling the kernels: the C++ sources in csrc/ become a shared library for this machine's processor."""

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", "-Wno-psabi")
TIMEOUT_S = 120  # for one source


class BuildError(Exception):
    """The kernels cannot be compiled: the reason in one line, and what the compiler printed."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


@dataclass(frozen=True)
class Build:
    """The sources by file name, and the compiler's path."""

    compiler: str
    sources: Mapping[str, bytes]

    @property
    def key(self) -> str:
        """A digest of everything that decides the machine code."""
        parts = [
            *(self.sources[name] for name in sorted(self.sources)),
            self.compiler.encode(),
            *(flag.encode() for flag in FLAGS),
            _processor(),
        ]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]

    def compile(self, folder: Path) -> Path:
        """Make the library in an empty folder. Raises BuildError, OSError."""
        for name, source in self.sources.items():
            (folder / name).write_bytes(source)
        units = sorted(name for name in self.sources if name.endswith(".cpp"))
        objects = [f"{unit}.o" for unit in units]
        for unit, compiled in zip(units, objects, strict=True):
            self._run(folder, *FLAGS, "-c", unit, "-o", compiled)
        # Linked without -fopenmp: the kernels use the OpenMP runtime that PyTorch has loaded. A second runtime would
        # start threads of its own, and the threads of both would spin on the same cores.
        library = folder / "kernels.so"
        self._run(folder, "-shared", *objects, "-o", library.name)
        return library

    def _run(self, folder: Path, *arguments: str) -> None:
        command = [self.compiler, *arguments]
        try:
            done = subprocess.run(  # noqa: S603  (the compiler on the user's PATH or in CXX, on our own sources)
                command,
                cwd=folder,
                env=os.environ | {"TMPDIR": str(folder)},  # for the compiler's own temporary files
                timeout=TIMEOUT_S,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"{Path(self.compiler).name} took more than {TIMEOUT_S} s") from error
        if done.returncode != 0:
            output = f"{' '.join(command)}\nended with exit status {done.returncode}\n\n{done.stdout}"
            raise BuildError(f"{Path(self.compiler).name} failed", output)


def find_compiler() -> str:
    """The path of the C++ compiler: the program that CXX names, else the first of COMPILERS. Raises BuildError."""
    named = os.environ.get("CXX")
    if named == "":
        raise BuildError("CXX is empty")
    for name in COMPILERS if named is None else (named,):
        if path := shutil.which(name):
            return path
    raise BuildError("no C++ compiler found (set CXX)" if named is None else f"CXX names no program: {named}")


def shipped_sources() -> dict[str, bytes]:
    """The files of csrc/ by name."""
    folder = files("normbench.kernels") / "csrc"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith((".cpp", ".h"))}


def _processor() -> bytes:
    """What -march=native depends on: a home folder may be shared by machines of several kinds."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.node()} {platform.machine()} {platform.processor()}".encode()
    lines = cpuinfo.read_bytes().splitlines()
    return b"\n".join(sorted({line for line in lines if line.startswith((b"model name", b"flags", b"Features"))}))

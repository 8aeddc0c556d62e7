"""Compiling the kernels: the C++ sources in csrc/ become a shared library for one level of the processor."""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from normbench.kernels.levels import LEVELS, PORTABLE

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-pthread", "-fPIC", "-Wno-psabi")
"""Of every level. -ffp-contract=fast, GCC's default: a product and a sum round once where the level has such an
instruction."""
TIMEOUT_S = 120  # for one source


class BuildError(Exception):
    """The kernels cannot be compiled: the reason in one line, and what the compiler printed."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


Compiler = tuple[str, ...]
"""The words of a command: the path of a program, and options or a second program, as in `ccache g++`."""


@dataclass(frozen=True)
class Build:
    """The compiler, the sources by file name, and the level that they are compiled for."""

    compiler: Compiler
    sources: Mapping[str, bytes]
    level: str = PORTABLE

    @property
    def flags(self) -> tuple[str, ...]:
        return (*FLAGS, *LEVELS[self.level])

    @property
    def key(self) -> str:
        """A digest of everything that decides the machine code."""
        parts = [
            *(self.sources[name] for name in sorted(self.sources)),
            *(word.encode() for word in self.compiler),
            *(flag.encode() for flag in self.flags),
            *([processor()] if any("native" in flag for flag in self.flags) else []),
        ]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]

    def compile(self, folder: Path) -> Path:
        """Make the library in an empty folder. Raises BuildError, OSError."""
        for name, source in self.sources.items():
            (folder / name).write_bytes(source)
        units = sorted(name for name in self.sources if name.endswith(".cpp"))
        objects = [f"{unit}.o" for unit in units]
        for unit, compiled in zip(units, objects, strict=True):
            run_compiler(self.compiler, folder, *self.flags, "-c", unit, "-o", compiled)
        library = folder / "kernels.so"
        run_compiler(self.compiler, folder, "-shared", "-pthread", *objects, "-o", library.name)
        return library


def run_compiler(compiler: Compiler, folder: Path, *arguments: str) -> None:
    """Run the compiler in a folder. Raises BuildError."""
    command = [*compiler, *arguments]
    name = compiler_name(compiler)
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
    except OSError as error:
        raise BuildError(f"{name} cannot be run ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{name} took more than {TIMEOUT_S} s") from error
    if done.returncode != 0:
        output = f"{' '.join(command)}\nended with exit status {done.returncode}\n\n{done.stdout}"
        raise BuildError(f"{name} failed", output)


def compiler_name(compiler: Compiler) -> str:
    """The command without the folder of its program."""
    return " ".join([Path(compiler[0]).name, *compiler[1:]])


def find_compilers() -> list[Compiler]:
    """The C++ compilers to try in turn: the command that CXX names, else those of COMPILERS that are there.

    Raises BuildError if there is none.
    """
    named = os.environ.get("CXX")
    if named is None:
        paths = [path for name in COMPILERS if (path := shutil.which(name))]
        if not paths:
            raise BuildError("no C++ compiler found (set CXX)")
        by_program = {Path(path).resolve(): path for path in reversed(paths)}  # c++ is another name of g++ or clang++
        return [(path,) for path in reversed(by_program.values())]
    try:
        words = shlex.split(named)
    except ValueError as error:  # a quotation mark without its pair
        raise BuildError(f"CXX is not a command: {named}") from error
    if not words:
        raise BuildError("CXX is empty")
    path = shutil.which(words[0])
    if path is None:
        raise BuildError(f"CXX names no program: {words[0]}")
    return [(path, *words[1:])]


def shipped_sources() -> dict[str, bytes]:
    """The files of csrc/ by name."""
    folder = files("normbench.kernels") / "csrc"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith((".cpp", ".h"))}


def processor() -> bytes:
    """The kind of this machine's processor, and its instructions."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.node()} {platform.machine()} {platform.processor()}".encode()
    lines = cpuinfo.read_bytes().splitlines()
    return b"\n".join(sorted({line for line in lines if line.startswith((b"model name", b"flags", b"Features"))}))

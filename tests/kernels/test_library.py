"""The compiled kernels as a library: building, caching, checking, and what is said when there are none."""

import ctypes
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from normbench.kernels.build import Build, BuildError, Compiler, find_compilers, shipped_sources
from normbench.kernels.levels import PORTABLE
from normbench.kernels.library import Library, kernels_status, library, load_or_compile
from normbench.kernels.probe import level_rates

needs_compiler = pytest.mark.skipif(library() is None, reason="no C++ compiler is at hand")

TINY = {
    "tiny.cpp": b'#include "tiny.h"\nextern "C" int answer() { return kAnswer; }',
    "tiny.h": b"enum { kAnswer = 42 };",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernels' folder in an empty cache."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "normbench"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # the same folder
    return tmp_path / "normbench" / "kernels"


def compiler() -> Compiler:
    return find_compilers()[0]


def tiny(source: bytes | None = None) -> Build:
    return Build(compiler(), TINY if source is None else TINY | {"tiny.cpp": source})


def kernels_or_why_not(build: Build) -> str | None:
    try:
        load_or_compile(build, ())
    except BuildError as error:
        return str(error)
    return None


# Cache


@needs_compiler
def test_a_library_is_compiled_once(cache: Path) -> None:
    first, remark = load_or_compile(tiny(), ())
    assert first.answer() == 42
    assert remark == ""
    (place,) = cache.iterdir()
    assert place.stat().st_mode & 0o777 == 0o700
    before = place.stat().st_mtime_ns
    again, _ = load_or_compile(tiny(), ())
    assert again.digest == first.digest
    assert place.stat().st_mtime_ns == before


@needs_compiler
def test_other_sources_make_another_library(cache: Path) -> None:
    load_or_compile(tiny(), ())
    other, _ = load_or_compile(Build(compiler(), TINY | {"tiny.h": b"enum { kAnswer = 43 };"}), ())
    assert other.answer() == 43
    assert len(list(cache.iterdir())) == 2


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "no library": lambda content: b"not a library",
    "cut short": lambda content: content[: len(content) // 2],
    "zeroed after its head": lambda content: content[:512] + bytes(len(content) - 512),
    "another number": lambda content: content.replace((42).to_bytes(4, "little"), (43).to_bytes(4, "little")),
    "a bit more": lambda content: content + b"\0",
}


@needs_compiler
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_library_is_not_loaded_but_compiled_again(damage: str, cache: Path) -> None:
    """Loading one would crash the process, or compute something else."""
    load_or_compile(tiny(), ())
    (place,) = cache.iterdir()
    content = place.read_bytes()
    place.unlink()  # the process has it open
    place.write_bytes(DAMAGE[damage](content))
    place.chmod(0o700)
    assert place.read_bytes() != content
    assert load_or_compile(tiny(), ())[0].answer() == 42
    assert place.read_bytes() == content
    assert list(cache.iterdir()) == [place]


@needs_compiler
@pytest.mark.parametrize("writable", ["library", "folder"])
def test_what_others_can_write_is_neither_loaded_nor_touched(writable: str, cache: Path, said: list[str]) -> None:
    place = cache / f"{tiny().key}-{'0' * 32}.so"
    cache.mkdir(mode=0o700, parents=True)
    place.write_bytes(b"a stranger's")
    place.chmod(0o722 if writable == "library" else 0o700)
    cache.chmod(0o722 if writable == "folder" else 0o700)
    kernels, remark = load_or_compile(tiny(), ())
    assert kernels.answer() == 42
    assert str(place if writable == "library" else cache) in remark
    assert "at each start" in said[0]
    assert place.read_bytes() == b"a stranger's"
    assert list(cache.iterdir()) == [place]


@needs_compiler
def test_remains_of_a_killed_build_are_removed(cache: Path) -> None:
    remains = cache / f"{tiny().key}.part"
    remains.mkdir(mode=0o700, parents=True)
    (remains / "tiny.cpp.o").touch()
    assert load_or_compile(tiny(), ())[0].answer() == 42
    assert [path.suffix for path in cache.iterdir()] == [".so"]


@needs_compiler
def test_without_a_cache_folder_each_process_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").touch()
    for variable in ("NORMBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "a file"))
    kernels, remark = load_or_compile(tiny(), ())
    assert kernels.answer() == 42
    assert "a file" in remark


# Failures


@needs_compiler
def test_a_failed_build_leaves_the_compilers_output_in_a_log(cache: Path) -> None:
    why = kernels_or_why_not(tiny(b"this is no C++"))
    (log,) = cache.iterdir()
    assert why is not None
    assert why.endswith(f"failed, log in {log}")
    assert log.stat().st_mode & 0o777 == 0o600
    text = log.read_text()
    assert "tiny.cpp" in text
    assert "error" in text
    # It is not compiled again at each start.
    log.write_text("the reason\nwhat the compiler printed")
    assert kernels_or_why_not(tiny(b"this is no C++")) == (
        f"the reason (log in {log}; it is tried again once that is removed)"
    )
    os.utime(log, (0, 0))  # an old one: the disk may have been full then
    assert "the reason" not in str(kernels_or_why_not(tiny(b"this is no C++")))


@needs_compiler
def test_a_library_that_cannot_be_loaded_is_compiled_once(cache: Path) -> None:
    """As one that needs another library than those that are loaded, or one in a folder for data only."""
    build = tiny(b'extern "C" int nowhere(); extern "C" int answer() { return nowhere(); }')
    for said in ("cannot be loaded", "cannot be loaded"):
        why = kernels_or_why_not(build)
        assert why is not None
        assert said in why
        assert "nowhere" in why
    assert "tried again once that is removed" in why


@needs_compiler
def test_the_compiler_may_be_a_command_of_several_words(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", f"env {compiler()[0]} -DkMore=1")
    (found,) = find_compilers()
    assert found[1:] == (compiler()[1], "-DkMore=1")
    source = b'#include "tiny.h"\nextern "C" int answer() { return kAnswer + kMore; }'
    assert load_or_compile(Build(found, TINY | {"tiny.cpp": source}), ())[0].answer() == 43


@needs_compiler
def test_a_build_that_then_succeeds_removes_the_log(cache: Path) -> None:
    build = tiny()
    cache.mkdir(mode=0o700, parents=True)
    (cache / f"{build.key}.log").write_text("of an earlier attempt")
    os.utime(cache / f"{build.key}.log", (0, 0))
    load_or_compile(build, ())
    assert [path.suffix for path in cache.iterdir()] == [".so"]
    # A load that failed, as for lack of memory, is forgotten once the library is loaded.
    (cache / f"{build.key}.log").write_text("the library cannot be loaded")
    assert load_or_compile(build, ())[0].answer() == 42
    assert [path.suffix for path in cache.iterdir()] == [".so"]


@needs_compiler
def test_a_failed_build_without_a_cache_folder_says_the_first_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    for variable in ("NORMBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "a file"))
    why = kernels_or_why_not(tiny(b"this is no C++"))
    assert why is not None
    assert "failed: tiny.cpp:1" in why


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("", "CXX is empty"),
        ("no-such-compiler", "CXX names no program: no-such-compiler"),
        ("/bin/false", "false failed, log in {cache}"),
        ("'g++", "CXX is not a command: 'g++"),
        ("/", "CXX names no program: /"),
    ],
)
def test_without_kernels_training_goes_on_and_the_status_says_why(compiler: str, reason: str, tmp_path: Path) -> None:
    code = (
        "import torch; from normbench.kernels.library import kernels_status, library;"
        "from normbench.norms import NORMS;"
        "assert library() is None; x = torch.ones(2, 16, 4, 4).to(memory_format=torch.channels_last);"
        "assert NORMS['bn']()(16, (4, 4))(x).shape == x.shape; print(kernels_status())"
    )
    done = python(code, CXX=compiler, NORMBENCH_CACHE=str(tmp_path / "normbench"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("kernels off: " + reason.format(cache=tmp_path / "normbench" / "kernels"))
    assert len(done.stdout.splitlines()) == 1


def test_without_any_compiler_the_status_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    done = python("from normbench.kernels.library import kernels_status; print(kernels_status())", PATH=str(tmp_path))
    assert done.stdout == "kernels off: no C++ compiler found (set CXX)\n"


def test_where_there_is_a_compiler_it_compiles_the_kernels() -> None:
    """Most tests of kernels are skipped without them."""
    with suppress(BuildError):
        assert find_compilers()
        assert library() is not None, kernels_status()


@needs_compiler
def test_the_status_names_level_and_compiler() -> None:
    kernels = library()
    assert kernels is not None
    assert kernels_status() == f"kernels on ({kernels.level}, {Path(compiler()[0]).name})"


# The structs that C++ and Python share


class NormDesc(ctypes.Structure):
    """One field short of the real one."""

    _fields_ = (("num_images", ctypes.c_int64),)


class Unknown(ctypes.Structure):
    _fields_ = (("count", ctypes.c_int64),)


@needs_compiler
@pytest.mark.parametrize("struct", [NormDesc, Unknown])
def test_a_struct_that_differs_from_the_one_in_cpp_is_an_internal_error(struct: type[ctypes.Structure]) -> None:
    kernels = library()
    assert kernels is not None
    with pytest.raises(RuntimeError, match=rf"internal error.*{struct.__name__}"):
        Library(Path(kernels._name), kernels.level, [struct])


UNSUPPORTED = """
import ctypes, os, sys
from normbench.kernels import structs
from normbench.kernels.library import library, words

kernels = library()

def run(name, desc):
    table = ctypes.c_char.in_dll(kernels, name)
    calls = (structs.OpCall * 1)(structs.OpCall(kernel=ctypes.addressof(table), desc=ctypes.addressof(desc)))
    plan = structs.ExecutionPlan(1, 1, 1, ctypes.addressof(calls))
    kernels.run_plan(ctypes.byref(plan), words([0]))

def norm(**fields):
    sound = {"num_images": 1, "pixels": 4, "vectors": 1, "groups": 1, "region_images": 1}
    return structs.NormDesc(**sound | fields)

def conv(inputs, outputs, size):
    return structs.ConvDesc(1, 4, 4, inputs, outputs, size, 1, (1, 1, 1, 1), 0, 0, 1)

cases = [
    ("norm_forward", norm(vectors=0)),
    ("norm_forward", norm(bf16=2)),
    ("norm_forward", norm(groups=5)),
    ("layer_norm_backward", norm(vectors=129)),
    ("max_pool_forward", structs.PoolDesc(4, 4, 24, 2, 2, 0, 0)),
    ("max_pool_forward", structs.PoolDesc(4, 4, 16, 2, 2, 0, 7)),
    ("max_pool_forward", structs.PoolDesc(32, 32, 16, 16, 1, 0, 0)),
    ("add_forward", structs.AddDesc(16, 3)),
    ("linear_forward", structs.LinearDesc(1, 17, 1, 0)),
    ("conv_backward", conv(16, 16, 4)),
    ("conv_backward", conv(24, 16, 3)),
    ("conv_forward", conv(16, 40, 1)),
]
for name, desc in cases:
    child = os.fork()
    if child == 0:
        run(name, desc)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_descriptor_without_a_kernel_ends_the_process_with_a_message() -> None:
    """Instead of computing nothing, which would hand out uninitialized memory."""
    done = python(UNSUPPORTED)
    codes, messages = done.stdout.split(), done.stderr.splitlines()
    assert codes == [str(-signal.SIGABRT)] * 12, done.stderr
    assert messages == [
        "normbench kernels: norm: unsupported number of channels: 0",
        "normbench kernels: norm: unsupported dtype: 2",
        "normbench kernels: norm: unsupported number of groups: 5",
        "normbench kernels: norm: unsupported number of channels: 2064",
        "normbench kernels: pool: unsupported number of channels: 24",
        "normbench kernels: pool: unsupported dtype: 7",
        "normbench kernels: pool: unsupported kernel size: 16",
        "normbench kernels: add: unsupported dtype: 3",
        "normbench kernels: linear: unsupported number of inputs: 17",
        "normbench kernels: conv: unsupported filter size: 4",
        "normbench kernels: conv: unsupported number of input channels: 24",
        "normbench kernels: conv: unsupported number of output channels: 40",
    ]


# The vector functions at every level


VECTORS = b"""
#include "vectors.h"
extern "C" void round_trip(const float *x, float *y) {
    BFloat16 rounded[kLanes];
    store(rounded, load(x));
    store(y, load(rounded));
}
extern "C" void maximum(const float *a, const float *b, float *y) { store(y, max_keeping_nan(load(a), load(b))); }
"""
TRICKY = [0.0, -0.0, 1.0, 1.00390625, 1.01171875, -1.00390625, 3.4e38, -3.4e38, math.inf, -math.inf, math.nan]
TRICKY += [1.0000001, 65280.5, 2.0**-120, 1 / 3, -(2.0**-100)]  # 16 numbers; bfloat16 ties among them


def bits(values: Sequence[float]) -> bytes:
    return bytes((ctypes.c_float * len(values))(*values))


@needs_compiler
def test_vectors_are_the_same_at_every_level(tmp_path: Path) -> None:
    """The instructions of this processor against the portable code, which other processors run."""
    sources = {"vectors.h": shipped_sources()["vectors.h"], "vectors.cpp": VECTORS}
    found = {}
    for level in (PORTABLE, *level_rates(compiler())):
        folder = tmp_path / level
        folder.mkdir(exist_ok=True)
        kernels = Library(Build(compiler(), sources, level).compile(folder), level, ())
        x, shifted, y = ((ctypes.c_float * 16)(*values) for values in (TRICKY, [*TRICKY[1:], 0.5], [0.0] * 16))
        kernels.round_trip(x, y)
        rounded = bytes(y)
        kernels.maximum(x, shifted, y)
        found[level] = (rounded, [math.isnan(value) or value for value in y])
    assert all(values == found[PORTABLE] for values in found.values())

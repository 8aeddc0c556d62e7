"""The measurement of levels: what it finds here, that it is made once, and what becomes of a damaged one."""

import json
from pathlib import Path

import pytest

from normbench.kernels.build import Compiler, find_compilers
from normbench.kernels.levels import IS_X86, LEVELS
from normbench.kernels.library import library
from normbench.kernels.probe import level_rates, measure

pytestmark = pytest.mark.skipif(not IS_X86 or library() is None, reason="needs an x86 processor and a C++ compiler")

COMPILER = """#!/bin/sh
for word; do
    [ "$word" = {unknown} ] && exit 1
    program=$word
done
echo run >> {log}
printf '#!/bin/sh\\n{program}\\n' > $program
chmod +x $program
"""
"""Writes programs that do not measure."""


class Fake:
    """A compiler whose programs print 12.5, and the number of programs that it made."""

    def __init__(self, folder: Path, program: str = "echo 12.5", unknown: str = "none") -> None:
        self.path, self.log = folder / "fake", folder / "log"
        self.log.touch()
        self.path.write_text(COMPILER.format(log=self.log, program=program, unknown=unknown))
        self.path.chmod(0o755)

    @property
    def compiler(self) -> Compiler:
        return (str(self.path),)

    @property
    def count(self) -> int:
        return len(self.log.read_text().splitlines())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("NORMBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "normbench"))
    return tmp_path / "normbench" / "kernels"


def test_the_levels_here_are_those_of_the_processor(tmp_path: Path) -> None:
    rates = measure(find_compilers()[0], tmp_path)
    assert rates.keys() <= LEVELS.keys()
    assert rates["portable"] > 0.1
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        flags = cpuinfo.read_text().split()
        for level, flag in (("avx2", "avx2"), ("avx512", "avx512bw"), ("avx512_bf16", "avx512_bf16")):
            assert (level in rates) == (flag in flags)
        assert "amx_bf16" in flags or "amx" not in rates


def test_what_was_measured_stays(tmp_path: Path, cache: Path) -> None:
    """Another level has other bits, so that noise must not change the level between two runs."""
    fake = Fake(tmp_path)
    assert level_rates(fake.compiler) == dict.fromkeys(LEVELS, 12.5)
    assert fake.count == len(LEVELS)
    (place,) = cache.iterdir()
    place.write_text(json.dumps({"portable": 1.0, "avx2": 3.0}))
    assert level_rates(fake.compiler) == {"portable": 1.0, "avx2": 3.0}
    assert fake.count == len(LEVELS)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "3", "{}", '{"avx2": 1.0}', '{"portable": "fast"}', '{"portable": true}', "\xff\xfe"),
        *('{"portable": 1.0, "sse": 2.0}', '{"portable": NaN}', '{"portable": -1.0}', '{"portable": 1e999}'),
    ],
)
def test_a_damaged_measurement_is_made_again(content: str, tmp_path: Path, cache: Path) -> None:
    fake = Fake(tmp_path)
    found = level_rates(fake.compiler)
    (place,) = cache.iterdir()
    place.write_bytes(content.encode("latin-1"))
    assert level_rates(fake.compiler) == found
    assert json.loads(place.read_text()) == found
    assert list(cache.iterdir()) == [place]


def test_what_others_can_write_is_neither_believed_nor_touched(tmp_path: Path, cache: Path) -> None:
    fake = Fake(tmp_path)
    level_rates(fake.compiler)
    (place,) = cache.iterdir()
    place.write_text('{"portable": 1.0, "amx": 9.0}')
    place.chmod(0o622)
    assert level_rates(fake.compiler) == dict.fromkeys(LEVELS, 12.5)
    assert place.read_text() == '{"portable": 1.0, "amx": 9.0}'


def test_a_level_that_the_compiler_does_not_know_is_not_there(tmp_path: Path) -> None:
    assert measure(Fake(tmp_path, unknown="-mavx512bf16").compiler, tmp_path).keys() == {"portable", "avx2", "avx512"}


@pytest.mark.parametrize("program", ["exit 1", "kill -ILL $$", "echo", "echo -1", "echo nan", "echo fast"])
def test_without_a_program_that_runs_nothing_is_known_or_kept(program: str, tmp_path: Path, cache: Path) -> None:
    assert level_rates(Fake(tmp_path, program).compiler) == {}
    assert not list(cache.iterdir())

"""Which level of instructions is chosen."""

import pytest

from normbench.errors import ConfigError
from normbench.kernels.levels import IS_X86, choose_level, forced_level

pytestmark = pytest.mark.skipif(not IS_X86, reason="other processors have one level only")

MACHINES = {
    "AVX2 alone": ({"portable": 29.0, "avx2": 59.0}, "avx2"),
    "AVX-512 at the rate of AVX2": ({"portable": 29.0, "avx2": 59.0, "avx512": 60.0}, "avx2"),
    "AVX-512 at twice the rate": ({"portable": 15.0, "avx2": 27.0, "avx512": 54.0}, "avx512"),
    "fast bfloat16": ({"portable": 29.0, "avx2": 59.0, "avx512": 59.0, "avx512_bf16": 118.0}, "avx512_bf16"),
    "slow bfloat16": ({"portable": 15.0, "avx2": 27.0, "avx512": 54.0, "avx512_bf16": 26.0}, "avx512"),
    "tiles": ({"portable": 15.0, "avx2": 27.0, "avx512": 54.0, "avx512_bf16": 26.0, "amx": 400.0}, "amx"),
    "noise": ({"portable": 29.0, "avx2": 50.0, "avx512": 62.0}, "avx2"),
    "unknown": ({}, "portable"),
}


@pytest.mark.parametrize(("rates", "level"), MACHINES.values(), ids=MACHINES)
def test_the_fastest_level_is_chosen_and_the_plainer_of_two_alike(rates: dict[str, float], level: str) -> None:
    assert choose_level(None, rates) == level


def test_the_variable_forces_a_level_that_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMBENCH_CPU", "avx2")
    rates = {"portable": 29.0, "avx2": 59.0, "avx512": 118.0}
    assert choose_level(forced_level(), rates) == "avx2"
    assert choose_level("portable", rates) == "portable"
    assert choose_level("avx2", {}) == "avx2"  # no program runs: compiling says why
    with pytest.raises(ConfigError, match=r"NORMBENCH_CPU=amx.*only portable, avx2, avx512$"):
        choose_level("amx", rates)


def test_an_unknown_level_is_answered_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMBENCH_CPU", "avx-512")
    with pytest.raises(ConfigError, match=r"NORMBENCH_CPU 'avx-512'.*'avx512'.*known: portable"):
        forced_level()
    monkeypatch.setenv("NORMBENCH_CPU", "")
    assert forced_level() is None

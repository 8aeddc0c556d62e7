"""`normbench verdict` through the real entry point."""

import json
from pathlib import Path

import pytest

from normbench.analysis import over_seeds, verdicts
from normbench.errors import AnotherAnswer, ConfigError
from tests.tiny import invoke

GCC, CLANG = [2.01, 2.04, 1.98, 2.03, 2.02], [1.91, 1.95, 1.88, 1.94, 1.91]


@pytest.fixture
def timings(tmp_path: Path) -> Path:
    rows = [
        f"{name},{run},{value}" for name, values in (("gcc", GCC), ("clang", CLANG)) for run, value in enumerate(values)
    ]
    path = tmp_path / "timings.csv"
    path.write_text("\n".join(["compiler,run,seconds", *rows]))
    return path


OPTIONS = ("--arm", "compiler", "--metric", "seconds", "--seed", "run", "--unit", "s", "--delta", 0.05)


def test_the_words_are_those_of_the_statistics(timings: Path) -> None:
    found = json.loads(invoke("verdict", timings, *OPTIONS, "--format", "json").stdout)
    (pair,) = found["pairs"]
    difference = over_seeds(dict(enumerate(CLANG)), dict(enumerate(GCC)))
    (word,) = verdicts([("clang", "gcc")], [difference], 0.05)
    assert (pair["verdict"], pair["p"], pair["num_paired"]) == (word.kind, difference.p_value, 5)
    assert word.kind == "real"
    assert [arm["mean"] for arm in found["arms"]] == [pytest.approx(2.016), pytest.approx(1.918)]


def test_the_sentence_has_the_unit_and_not_points(timings: Path) -> None:
    output = invoke("verdict", timings, *OPTIONS, "--full").stdout
    assert "gcc is 0.098 s above clang" in output
    assert "points" not in output
    assert "clang - gcc" in output


def test_all_pairs_of_four_arms_are_a_ranking(tmp_path: Path) -> None:
    times = {"gcc": GCC, "clang": CLANG, "icc": [3.01, 3.0, 3.02, 2.99, 3.0], "tcc": [4.0, 4.02, 3.99, 4.0, 4.01]}
    rows = [f"{name},{run},{value}" for name, values in times.items() for run, value in enumerate(values)]
    table = tmp_path / "four.csv"
    table.write_text("\n".join(["compiler,run,seconds", *rows]))
    found = json.loads(invoke("verdict", table, *OPTIONS, "--all-pairs", "--format", "json").stdout)["arms"]
    assert [(arm["arm"], arm["rank_best"], arm["rank_worst"]) for arm in found] == [
        ("tcc", 1, 1),
        ("icc", 2, 2),
        ("gcc", 3, 3),
        ("clang", 4, 4),
    ]
    assert "Rank: " in invoke("verdict", table, *OPTIONS, "--all-pairs").stdout
    assert "rank_best" not in json.loads(invoke("verdict", table, *OPTIONS, "--format", "json").stdout)["arms"][0]


def test_without_seeds_runs_are_independent(timings: Path) -> None:
    output = invoke("verdict", timings, "--arm", "compiler", "--metric", "seconds", "--delta", 0.05).stdout
    assert "Welch's t" in output
    assert "no column of seeds" in output


@pytest.mark.parametrize(("word", "code"), [("real", 0), ("below", 0), ("above", 5), ("equivalent", 5)])
def test_a_script_learns_the_word_by_the_exit_code(timings: Path, word: str, code: int) -> None:
    result = invoke("verdict", timings, *OPTIONS, "--fail-unless", word)
    assert getattr(result.exception, "exit_code", 0) == code
    assert isinstance(result.exception, AnotherAnswer) == bool(code)


def test_looks_are_planned_in_a_file(timings: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = invoke("verdict", timings, *OPTIONS, "--sequential", state, "--max-seeds", 5).stdout
    assert "after 1 look" in first
    assert json.loads(state.read_text())["look"] == 0


@pytest.mark.parametrize("delta", ["0", "-1", "nan", "inf", "1e-300", "1e300"])
def test_a_delta_that_no_difference_can_have_is_refused(timings: Path, delta: str) -> None:
    error = invoke("verdict", timings, "--arm", "compiler", "--metric", "seconds", "--delta", delta).exception
    assert isinstance(error, ConfigError)
    assert "give the smallest difference that matters, from 1e-150 to 1e+150" in str(error)


def test_one_arm_alone_is_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arm,metric\na,1\na,2\n")
    error = invoke("verdict", tmp_path / "t.csv", "--delta", 1).exception
    assert isinstance(error, ConfigError)
    assert "nothing to compare" in str(error)

"""Whatever happens to a file of the results, `compare` answers: drawn at random, through the entry point."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.robustness.fuzz import NUM_EXAMPLES, drawing
from tests.robustness.record_cases import Harm, figures, harms, pairs_of_runs, questions, write_results
from tests.robustness.record_runs import ask, complaint


@pytest.fixture(scope="module")
def whole() -> Iterator[Path]:
    """Results as they should be. In a short place, as messages are measured."""
    with tempfile.TemporaryDirectory() as name:
        write_results(Path(name) / "whole")
        yield Path(name) / "whole"


def check(whole: Path, harm: Harm, question: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "results"
        shutil.copytree(whole, results)
        harm.do(results)
        wrong = complaint(ask(results, question), question)
    assert wrong is None, wrong


@drawing(60)
@given(data=st.data())
def test_compare_answers_whatever_happened_to_a_file(whole: Path, data: st.DataObject) -> None:
    check(whole, data.draw(harms(whole)), data.draw(questions()))


@drawing(15)
@given(data=st.data())
def test_two_runs_are_compared_or_refused_whatever_happened_to_a_file(whole: Path, data: st.DataObject) -> None:
    check(whole, data.draw(harms(whole)), data.draw(pairs_of_runs(whole)))


@pytest.mark.skipif(not NUM_EXAMPLES, reason="each takes seconds; by hand: NORMBENCH_FUZZ=500")
@drawing(1, slower=20)
@given(data=st.data())
def test_figures_are_drawn_or_left_out_whatever_happened_to_a_file(whole: Path, data: st.DataObject) -> None:
    check(whole, data.draw(harms(whole)), data.draw(figures()))


@pytest.mark.parametrize("format", ["table", "md", "csv", "json", "latex"])
def test_compare_answers_every_question_about_whole_results(format: str, whole: Path) -> None:
    question = [
        "--full",
        "--runs",
        "--calibration",
        "--per-class",
        "--to-accuracy",
        "50",
        "--all-pairs",
        "--format",
        format,
    ]
    ended = ask(whole, question)
    assert complaint(ended, question) is None
    assert ended.code == 0
    assert "left out" not in ended.stderr

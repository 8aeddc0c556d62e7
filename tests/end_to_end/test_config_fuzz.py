"""Any config is trained or refused with its place, whatever is in it: drawn at random, through the entry point."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from tests.robustness.config_cases import KINDS, Case
from tests.robustness.config_runs import A_STEP, complaint, run_case
from tests.robustness.fuzz import drawing


@pytest.mark.parametrize("kind", KINDS)
def test_a_config_is_trained_or_refused_with_its_place(kind: str) -> None:
    @drawing(in_the_suite=12)
    @given(KINDS[kind]())
    def check(case: Case) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            wrong = complaint(case, run_case(case, folder), folder)
        assert wrong is None, wrong

    check()


def test_the_harness_trains_what_is_right_and_sees_what_is_wrong(tmp_path: Path) -> None:
    case = Case("train", {"my.yaml": b"norm: gn\nseeds: [3]\n"})
    ended = run_case(case, tmp_path)
    assert (ended.code, A_STEP in ended.stderr) == (130, True)
    assert complaint(case, ended, tmp_path) is None
    assert next(tmp_path.rglob("config.yaml")).parent.name.startswith("gn-s3-")
    case = Case("train", {"my.yaml": b"\nnorm: gm\n"})
    ended = run_case(case, tmp_path)
    assert complaint(case, ended, tmp_path) is None
    for old, new in (("my.yaml, line 2", "my.yaml, line 1"), ("my.yaml, line 2", "my.yaml"), ("line 2", "line 9")):
        assert old in ended.stderr
        assert complaint(case, ended.__class__(2, "", ended.stderr.replace(old, new), 0), tmp_path)
    assert complaint(case, ended.__class__(1, "", "Traceback", 0), tmp_path)


def test_what_was_made_to_explode_is_refused_in_little_time_and_memory() -> None:
    """In a process of its own whose memory is limited."""
    command = [sys.executable, "-m", "tests.robustness.config_bombs", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr

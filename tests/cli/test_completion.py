"""What a shell offers after TAB, asked for as bash does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def offered(folder: Path, *words: str) -> list[str]:
    """What is offered for the last of `words`, in a process that ends if torch is imported."""
    code = "import sys; sys.modules['torch'] = None; from normbench.__main__ import main; main()"
    asks = {"COMP_WORDS": " ".join(["normbench", *words]), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | asks | {"_NORMBENCH_COMPLETE": "complete_bash"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results" / "mine" / "bn-s0-1a2b3c4d").mkdir(parents=True)
    (tmp_path / "results" / "mine" / "bn-s0-1a2b3c4d" / "config.yaml").touch()
    (tmp_path / "results" / "notes.txt").touch()
    (tmp_path / "mine.yaml").write_text("norm: gn")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train --norm g", {"gn", "gbn"}),
        ("explain axes -n dy", {"dyt"}),
        ("train --config m", {"mine.yaml"}),
        ("sweep qu", {"quickstart"}),
        ("train --data synthetic-", {"synthetic-small"}),
        ("train --set train.optimizer.n", {"train.optimizer.nesterov="}),
        ("train --set train.precision=f", {"train.precision=fp32"}),
        ("train --results results/", {"results/mine/"}),
        ("runs show b", {"bn-s0-1a2b3c4d"}),
    ],
)
def test_tab_offers_what_may_stand_there(folder: Path, words: str, expected: set[str]) -> None:
    assert set(offered(folder, *words.split())) == expected

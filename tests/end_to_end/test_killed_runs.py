"""A few kills of `train` and `sweep`; `python -m tests.robustness.crash` does hundreds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="adopts orphans")
def test_what_is_killed_goes_on_to_the_same_bits() -> None:
    script = [sys.executable, "-m", "tests.robustness.crash", "--kills", "6", "--only", "bn"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.match(r"(\d+) kills .* all as undisturbed", done.stdout)
    assert found
    assert int(found.group(1)) >= 6

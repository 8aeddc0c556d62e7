"""What a result says of the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from normbench.runs.folder import find_runs
from normbench.runs.read import read_record
from tests.tiny import invoke, make_folder

MB = 2**20
CHILD = """
import torch
from normbench.runs.environment import peak_memory_bytes
print(peak_memory_bytes(torch.device("cpu")))
"""
PARENT = f"""
import subprocess, sys
held = bytearray({400 * MB})
held[::4096] = b"x" * len(held[::4096])  # every page is touched
{CHILD}
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know the peak of a process and its parent only")
def test_peak_memory_is_that_of_the_process_and_not_of_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, check=True)
    parent, child = map(int, done.stdout.split())
    assert 100 * MB < child < parent - 300 * MB


def test_a_variable_that_cannot_be_printed_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a variable that was read from a file with the line ends of another system."""
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE\r\x1b[2J\udcff")
    images, results = make_folder(tmp_path / "images", 2, 1), tmp_path / "results"
    command = ("train", "--data", "folder", "--data-dir", images, "--epochs", 1, "--device", "cpu")
    for _ in range(2):
        shown = invoke(*command, "--set", "train.precision=fp32", "--results", results)
        assert shown.exit_code == 0, shown.output
    assert "finished already" in shown.stdout
    (run,) = find_runs([results])
    assert read_record(run).environment["variables"] == r"MKL_CBWR=COMPATIBLE\r\x1b[2J\udcff"

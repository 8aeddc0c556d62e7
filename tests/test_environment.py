"""What a result says of the machine."""

import subprocess
import sys

import pytest
import torch

from normbench.runs.environment import peak_memory_bytes

MB = 2**20
PEAK = """
import torch
from normbench.runs.environment import peak_memory_bytes
print(peak_memory_bytes(torch.device("cpu")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell ru_maxrss only")
def test_peak_memory_is_this_process_own() -> None:
    held = bytearray(1500 * MB)
    held[::4096] = b"x" * len(held[::4096])  # every page is touched
    assert peak_memory_bytes(torch.device("cpu")) > 1500 * MB
    child = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert 100 * MB < int(child.stdout) < 1000 * MB

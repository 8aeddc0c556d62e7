"""Memory kept for the next step."""

import subprocess
import sys

import pytest

# The fewest pages that five training steps in a row fault in: in the first steps, the kept memory still grows.
STEPS = """
import resource, torch
from normbench.models.reference import reference
from normbench.models.task import CIFAR10
from normbench.norms import NORMS
from normbench.train.allocator import keep_freed_memory
kept = {keep}
model, images = reference(NORMS["bn"](), CIFAR10), torch.ones(64, 3, 32, 32)
faults = []
for _ in range(20):
    model(images).sum().backward()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(min(faults[i + 5] - faults[i] for i in range(len(faults) - 5)), kept)
"""


def page_faults(keep: str) -> tuple[int, bool]:
    done = subprocess.run([sys.executable, "-c", STEPS.format(keep=keep)], capture_output=True, text=True, check=True)
    faults, kept = done.stdout.split()
    return int(faults), kept == "True"


def test_freed_memory_is_taken_again_without_page_faults() -> None:
    usual, _ = page_faults("False")
    faults, kept = page_faults("keep_freed_memory()")
    if not kept:
        pytest.skip("this C library has no mallopt")
    assert faults <= usual / 10

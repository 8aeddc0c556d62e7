"""The memory of a run: it imports no more than it needs, and takes what its largest phase takes."""

import subprocess
import sys
from pathlib import Path

import pytest

from normbench.kernels.library import library
from tests.tiny import make_folder

MB = 2**20
BATCH = 256
RUN = """
import sys, torch
from normbench.runs.environment import peak_memory_bytes
from tests.tiny import invoke
before = peak_memory_bytes(torch.device("cpu"))
result = invoke("train", *sys.argv[1:])
assert result.exit_code == 0, result.output
print(peak_memory_bytes(torch.device("cpu")) - before, *sorted({"torch._dynamo", "torchvision"} & set(sys.modules)))
"""
MOST = 290 * MB
"""120 MiB for the passes of BATCH images in bf16, the rest for images and the libraries that draw pictures.

It took 190 to 239 MiB, and 347 and more while the last, short batch had memory beside that of the others.
"""


@pytest.mark.skipif(library() is None, reason="without kernels an image takes more memory")
def test_a_run_takes_the_memory_of_one_step(tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", BATCH - 6, 20)  # nearly three batches
    options = ("--data", "folder", "--data-dir", images, "--epochs", 1, "--batch-size", BATCH, "--device", "cpu")
    command = [sys.executable, "-c", RUN, *options, "--set", "train.precision=bf16", "--results", tmp_path]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    peak, *modules = done.stdout.split()
    assert not modules
    assert sys.platform != "linux" or int(peak) < MOST

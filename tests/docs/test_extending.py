"""The worked examples of docs/extending.md, made in a copy of the package, work as the page says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel_cache import with_kernels
from tests.pages import blocks, make_file
from tests.tiny import make_folder

ROOT = Path(__file__).parents[2]


def test_the_examples_can_be_made_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("normbench", "configs", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(ROOT / "results" / "published")
    images = make_folder(tmp_path / "images")
    page = ROOT / "docs" / "extending.md"
    monkeypatch.chdir(tmp_path)
    for kind, text in blocks(page):
        make_file(kind, text)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NORMBENCH_CACHE": str(with_kernels(tmp_path / "cache"))}
    command = [sys.executable, "-m", "tests.pages", str(page), str(images)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

"""The wheel: the package and nothing else, and the same bytes wherever and whenever it is built."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from normbench import __version__

ROOT = Path(__file__).parents[1]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "configs", "normbench")


def build(source: Path, out: Path, umask: int) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(
        command, cwd=source, env=environment, umask=umask, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), umask=0o022)


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    sources = [path for path in (ROOT / "normbench").rglob("*") if path.suffix in (".py", ".cpp", ".h", ".css")]
    modules = {str(path.relative_to(ROOT)) for path in sources} | {"normbench/plots/matplotlibrc"}
    configs = {f"normbench/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}
    about = f"normbench-{__version__}.dist-info"
    names = {f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) == modules | configs | names
        assert archive.read(f"{about}/entry_points.txt") == b"[console_scripts]\nnormbench = normbench.__main__:main\n"


def test_another_copy_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    """Elsewhere, under another umask, with younger files and with what Python leaves behind."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, copy_function=shutil.copy)
        else:
            shutil.copy(ROOT / name, copy)
    (copy / "normbench" / "__pycache__").mkdir(exist_ok=True)
    (copy / "normbench" / "__pycache__" / "other.cpython-311.pyc").write_bytes(b"compiled")
    again = build(copy, tmp_path / "again", umask=0o077)
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_citation_names_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__
    assert {"cff-version", "message", "title", "authors"} <= set(cited)

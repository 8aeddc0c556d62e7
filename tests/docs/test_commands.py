"""Every command, config and snippet of the README and the docs works as it is printed there; `tests.pages` says how."""

import sys
from pathlib import Path

import pytest

from tests.kernel_cache import with_kernels
from tests.pages import run_page
from tests.tiny import make_folder

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("README.md", "CONTRIBUTING.md", "docs/*.md", "examples/**/*.md", "results/published/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "extending.md"  # it changes the package: see test_extending.py
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: Path) -> Path:
    """A folder with all of the repository by links. What a command writes beside a link stays in this folder."""
    for name in ("configs", "docs", "examples", "normbench", "tests", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(ROOT / "results" / "published")
    (tmp_path / "my-images").symlink_to(images)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    monkeypatch.setenv("NORMBENCH_CACHE", str(with_kernels(tmp_path / ".cache")))
    monkeypatch.delenv("NORMBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_runs(page: Path, clone: Path, images: Path) -> None:
    run_page(page, images)

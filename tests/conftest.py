"""What all tests share: a cache that is not the user's, a tiny data folder, and the lines of the log."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from normbench.errors import DataError
from normbench.files import users_cache_folder
from tests.tiny import make_folder


@pytest.fixture(scope="session", autouse=True)
def _no_data_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go to one cache for the whole session; the variables of the user's shell name no data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NORMBENCH_CACHE", str(_with_kernels(tmp_path_factory.mktemp("cache"))))
        patch.delenv("NORMBENCH_DATA", raising=False)
        yield


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing has been decoded yet."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _with_kernels(cache: Path) -> Path:
    """The cache, with the kernels that the user's own has: compiling them takes longer than most tests."""
    with suppress(DataError):
        if (kernels := users_cache_folder() / "kernels").is_dir():
            shutil.copytree(kernels, cache / "kernels", dirs_exist_ok=True)
            (cache / "kernels").chmod(0o700)
    return cache


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder data set of `make_folder`, 48 training and 24 test images in three classes. Only to be read."""
    return make_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The lines that normbench logs for the user, as they come."""
    lines: list[str] = []
    handler, logger = logging.Handler(), logging.getLogger("normbench")
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)

"""What all tests share: a cache that is not the user's, a tiny data folder, and the lines of the log."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel_cache import with_kernels
from tests.tiny import make_folder


def pytest_configure(config: pytest.Config) -> None:
    """Set before torch is imported, and for the processes of tests too.

    A worker of several computes with one thread: the threads of two workers would wait for each other's cores. The
    tests see a GPU only if those are chosen that need one: all others hold on every machine, and on the CPU.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if config.option.markexpr != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(scope="session", autouse=True)
def _no_data_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go to one cache for the whole session; the variables of the user's shell name no data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NORMBENCH_CACHE", str(with_kernels(tmp_path_factory.mktemp("cache"))))
        patch.delenv("NORMBENCH_DATA", raising=False)
        yield


@pytest.fixture(autouse=True)
def _modules_of_one_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A module that a test wrote and imported is gone after it: another test may write one of the same name."""
    known, written = set(sys.modules), str(tmp_path_factory.getbasetemp())
    yield
    for name in sys.modules.keys() - known:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(written):
            del sys.modules[name]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing has been decoded yet."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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

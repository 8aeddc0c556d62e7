"""matplotlib with our settings: neither the current folder nor the environment changes a picture, or prevents one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = Path(__file__).with_name("matplotlibrc")
_BACKEND = "MPLBACKEND"  # a notebook's names a package that need not be in this environment


def load_matplotlib() -> None:
    """Imports matplotlib with the settings of SETTINGS. It is called before any other import of matplotlib.

    matplotlib takes the first `matplotlibrc` that it finds, and looks in the current folder first. A file there may
    turn on LaTeX, or end the import. A process that has imported matplotlib before keeps its settings.
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop(_BACKEND, None)
    try:
        with _standing_in(SETTINGS.parent):
            import matplotlib  # noqa: F401
    finally:
        if backend is not None:
            os.environ[_BACKEND] = backend


@contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    """Changes the current folder within. The folder before is kept open, not by its name: it may have been removed."""
    if not hasattr(os, "fchdir"):  # Windows, where a current folder cannot be removed
        before: int | Path = Path.cwd()
    else:
        before = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))  # O_PATH: it need not be readable
    try:
        os.chdir(folder)
        yield
    finally:
        os.chdir(before)
        if isinstance(before, int):
            os.close(before)

"""The folder for what can be made again: decoded images, compiled kernels."""

import os
from pathlib import Path

from normbench.errors import DataError


def cache_folder() -> Path:
    """NORMBENCH_CACHE, else normbench/ in the XDG cache folder (~/.cache). Raises DataError without a home folder."""
    named = os.environ.get("NORMBENCH_CACHE")
    return Path(named).expanduser().absolute() if named else users_cache_folder()


def users_cache_folder() -> Path:
    """The user's own, whatever is named: for what is run, not read. Raises DataError without a home folder."""
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG specification has relative ones ignored
        return xdg / "normbench"
    try:
        return Path.home() / ".cache" / "normbench"
    except RuntimeError as error:
        raise DataError("no home folder to keep decoded images in: name a folder in NORMBENCH_CACHE") from error

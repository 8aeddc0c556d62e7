"""The compiled kernels in a cache that is new: compiling them takes longer than most tests."""

import shutil
from contextlib import suppress
from pathlib import Path

from normbench.errors import DataError
from normbench.files import cache_folder


def with_kernels(cache: Path) -> Path:
    """The cache, with the kernels that the present one has, if it has any."""
    with suppress(DataError):
        if (kernels := cache_folder() / "kernels").is_dir():
            shutil.copytree(kernels, cache / "kernels", dirs_exist_ok=True)
            (cache / "kernels").chmod(0o700)
    return cache

"""Fixtures of the tests of sources."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that others may look into, unlike `tmp_path`, with a cache that others may write."""
    place = Path(tempfile.mkdtemp(prefix="normbench-test-"))
    place.chmod(0o755)
    (place / "cache").mkdir()
    (place / "cache").chmod(0o777)
    yield place
    shutil.rmtree(place)

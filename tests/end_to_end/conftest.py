"""A run that nothing disturbs, to hold disturbed ones against."""

from pathlib import Path

import pytest

from normbench.runs.folder import RunFolder
from tests.tiny import only_run, train_small


@pytest.fixture(scope="session")
def undisturbed(images: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The finished run of `train_small`. Only to be read."""
    results = tmp_path_factory.mktemp("undisturbed")
    assert train_small(images, results).exit_code == 0
    return only_run(results)

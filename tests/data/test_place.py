"""A named file or folder that is not there is told before torch is imported."""

from pathlib import Path

import pytest

from normbench.config import DataConfig
from normbench.data.place import check_place
from normbench.errors import DataError


@pytest.mark.parametrize("source", ["cifar10", "folder"])
def test_a_place_where_nothing_is_there_is_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"gone \(from data.dir\)"):
        check_place(DataConfig(source=source, dir=str(tmp_path / "gone")))
    monkeypatch.setenv("NORMBENCH_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"gone \(from NORMBENCH_DATA\)"):
        check_place(DataConfig(source=source))
    check_place(DataConfig(source=source, dir=str(tmp_path)))
    check_place(DataConfig(source="synthetic"))


def test_what_is_in_the_cache_needs_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("NORMBENCH_DATA", raising=False)
    check_place(DataConfig())
    (tmp_path / "cifar10.safetensors").touch()
    check_place(DataConfig(dir=str(tmp_path / "gone")))


def test_a_folder_of_images_is_not_taken_for_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where CIFAR-10 is in the cache, and would be trained on instead."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path))
    (tmp_path / "cifar10.safetensors").touch()
    for split in ("train", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
    with pytest.raises(DataError, match="--data folder reads"):
        check_place(DataConfig(dir=str(tmp_path / "images")))
    (tmp_path / "images" / "trainLabels.csv").touch()
    with pytest.raises(DataError, match="--data csv reads"):
        check_place(DataConfig(dir=str(tmp_path / "images")))

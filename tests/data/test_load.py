"""The data set that a config names."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from normbench.data.load import load_dataset
from normbench.data.sources.registry import SOURCES
from normbench.errors import ConfigError


def test_a_changed_image_file_changes_the_data_set(tmp_path: Path) -> None:
    config = SimpleNamespace(source="folder", dir=str(tmp_path / "images"), urls=())
    for number, path in enumerate((split, name) for split in ("train", "test") for name in "ab"):
        (tmp_path / "images").joinpath(*path).mkdir(parents=True)
        Image.new("RGB", (32, 32), (number, 0, 0)).save((tmp_path / "images").joinpath(*path) / "0.png")
    first = load_dataset(config, cache_dir=tmp_path / "cache")
    Image.new("RGB", (32, 32), (9, 9, 9)).save(tmp_path / "images" / "test" / "a" / "0.png")
    second = load_dataset(config, cache_dir=tmp_path / "cache")
    assert first.fingerprint != second.fingerprint
    assert second.test.images[0].unique().tolist() == [9]
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 1  # the old one is replaced, not kept for ever


def test_an_unknown_source_is_answered_with_the_known() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cifar10'") as caught:
        load_dataset(SimpleNamespace(source="cifar", dir=None, urls=()))
    assert all(name in str(caught.value) for name in SOURCES)

"""The data set that a config names."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from normbench.config import DataConfig
from normbench.data.dataset import Split
from normbench.data.load import load_dataset
from normbench.data.normalization import measure
from normbench.data.sources.registry import SOURCES
from normbench.data.sources.source import SourceInput
from normbench.errors import ConfigError
from tests.tiny_splits import make_raw


def test_a_changed_image_file_changes_the_data_set(tmp_path: Path) -> None:
    config = DataConfig(source="folder", dir=str(tmp_path / "images"))
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
        load_dataset(DataConfig(source="cifar", dir=None))
    assert all(name in str(caught.value) for name in SOURCES)


@pytest.fixture
def one_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source `folder` has ten images a class, and no test split."""
    raw = make_raw()
    images = torch.arange(20, dtype=torch.uint8).view(-1, 1, 1, 1).expand(20, 1, 6, 4).contiguous()
    only = replace(raw, train=Split(images, torch.arange(20) % 2), test=None)
    monkeypatch.setitem(SOURCES, "folder", lambda request: SourceInput("one", lambda: "one", lambda: only, "numbers"))


def test_a_test_split_is_held_out_where_the_source_has_none(one_split: None, tmp_path: Path, said: list[str]) -> None:
    config = DataConfig(source="folder")
    first, again = (load_dataset(config, cache_dir=tmp_path) for _ in range(2))
    assert first.train.labels.bincount().tolist() == [8, 8]
    assert first.test.labels.bincount().tolist() == [2, 2]
    assert first.held_out == 0.2
    assert first.fingerprint == again.fingerprint
    assert any("4 of the 20 training images" in line for line in said)
    other = load_dataset(config.model_copy(update={"held_out": 0.5}), cache_dir=tmp_path)
    assert (len(other.test), other.fingerprint == first.fingerprint) == (10, False)
    assert first.normalization == measure(first.train.images)
    assert other.normalization == measure(other.train.images)


def test_data_are_called_by_the_name_in_the_config_else_by_their_own(one_split: None, tmp_path: Path) -> None:
    config = DataConfig(source="folder")
    assert load_dataset(config, cache_dir=tmp_path).name == "numbers"
    assert load_dataset(DataConfig(source="folder", name="digits"), cache_dir=tmp_path).name == "digits"


def test_images_of_any_source_are_resized(one_split: None, tmp_path: Path) -> None:
    config = DataConfig(source="folder", resize=8)
    first, again = (load_dataset(config, cache_dir=tmp_path) for _ in range(2))
    assert first.image_shape == again.image_shape == (1, 8, 8)
    assert torch.equal(
        first.train.images[:, :, 0, 0],
        load_dataset(DataConfig(source="folder"), cache_dir=tmp_path).train.images[:, :, 0, 0],
    )
    assert len(list(tmp_path.glob("*.safetensors"))) == 2

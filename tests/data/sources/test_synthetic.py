"""The synthetic source: deterministic, balanced, prefix-stable, and not solved by colour."""

import hashlib
from pathlib import Path

import pytest
import torch

from normbench.config import DataConfig
from normbench.data.dataset import fingerprint
from normbench.data.load import load_dataset
from normbench.data.sources.source import SourceRequest
from normbench.data.sources.synthetic import BLOCK, SHAPES, VERSION, make_images, synthetic, synthetic_small


@pytest.fixture(scope="module")
def data():
    return make_images(1500, 600)


def test_shapes_types_and_names(data):
    train, test, names = data.train, data.test, data.class_names
    assert train.images.shape == (1500, 3, 32, 32)
    assert test.images.shape == (600, 3, 32, 32)
    assert train.images.dtype == torch.uint8
    assert train.labels.dtype == torch.int64
    assert train.images.is_contiguous()
    assert len(names) == len(set(names)) == 10


def test_classes_are_balanced(data):
    for split in (data.train, data.test):
        counts = torch.bincount(split.labels, minlength=10)
        assert (counts == len(split.labels) // 10).all()


def test_two_calls_give_the_same_bytes_and_train_is_not_test(data):
    again = make_images(1500, 600)
    assert torch.equal(again.train.images, data.train.images)
    assert torch.equal(again.test.images, data.test.images)
    assert not (data.train.images[:600] == data.test.images).flatten(1).all(1).any()


def test_no_image_appears_twice(data):
    everything = torch.cat([data.train.images, data.test.images]).flatten(1)
    assert len({image.numpy().tobytes() for image in everything}) == len(everything)


@pytest.mark.parametrize("num_train", [0, 7, BLOCK, BLOCK + 30])
def test_a_smaller_split_is_a_prefix_of_a_larger_one(data, num_train):
    smaller = make_images(num_train, 10)
    train, test = smaller.train, smaller.test
    assert torch.equal(train.images, data.train.images[:num_train])
    assert torch.equal(train.labels, data.train.labels[:num_train])
    assert torch.equal(test.images, data.test.images[:10])


def test_the_bytes_belong_to_the_version():
    raw = make_images(BLOCK, 10)
    content = raw.train.images.numpy().tobytes() + raw.test.images.numpy().tobytes()
    content += "|".join(raw.class_names).encode()
    # When this fails, the images changed: raise VERSION with the digest, or caches keep serving the old ones.
    assert (VERSION, hashlib.sha256(content).hexdigest()[:16]) == (1, "7e4e08e18f2f14fe")


def test_colour_alone_tells_next_to_nothing():
    raw = make_images(2000, 1000)
    train, test = raw.train, raw.test

    def colour_features(images: torch.Tensor) -> torch.Tensor:
        pixels = images.float().flatten(2) / 255
        flat = torch.cat([pixels.mean(2), pixels.std(2), pixels.amax(2), pixels.amin(2)], dim=1)
        return torch.cat([flat, flat * flat, torch.ones(len(flat), 1)], dim=1)

    targets = torch.nn.functional.one_hot(train.labels, 10).float()
    weights = torch.linalg.lstsq(colour_features(train.images), targets).solution
    accuracy = ((colour_features(test.images) @ weights).argmax(1) == test.labels).double().mean().item()
    assert accuracy < 0.2  # chance is 0.1; disc, the largest shape, shows a little in the spread


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_has_an_inside_an_outside_and_survives_a_mirror(name):
    axis = torch.linspace(-1.5, 1.5, 61).numpy()
    u, v = (grid.numpy() for grid in torch.meshgrid(torch.from_numpy(axis), torch.from_numpy(axis), indexing="xy"))
    depth = SHAPES[name](u, v, torch.tensor(2.5).numpy())
    inside = depth > 0
    assert 0.05 < inside.mean() < 0.5
    border = [inside[0], inside[-1], inside[:, 0], inside[:, -1]]
    assert not any(side.any() for side in border)


def test_the_images_use_the_range_without_drowning_in_its_ends(data):
    images = data.train.images
    assert images.min() == 0
    assert images.max() == 255
    assert ((images == 0) | (images == 255)).double().mean() < 0.15


def test_synthetic_goes_through_the_cache_too(tmp_path: Path, said: list[str]) -> None:
    config = DataConfig(source="synthetic-small", dir=None)
    first, second = (load_dataset(config, cache_dir=tmp_path) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert torch.equal(first.test.images, second.test.images)
    assert (len(first.train), len(first.test), len(first.class_names)) == (10_000, 2_000, 10)
    assert sum("synthetic" in line for line in said) == 1


def test_small_synthetic_is_the_beginning_of_the_whole(tmp_path: Path) -> None:
    request = SourceRequest(dir=None, dir_given_by="data.dir", urls=(), downloads=tmp_path, bar=False)
    whole, small = (source(request).read() for source in (synthetic, synthetic_small))
    pairs = ((whole.train, small.train, 10_000), (whole.test, small.test, 2_000))
    for split, beginning, number in pairs:
        assert (len(split), len(beginning)) == (5 * number, number)
        assert torch.equal(beginning.images, split.images[:number])
    assert fingerprint(small) != fingerprint(whole)

"""Fingerprints of data sets, and the split that is held out for validation."""

from dataclasses import replace

import pytest
import torch

from normbench.data.dataset import Dataset, Split, fingerprint, hold_out, hold_out_share
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.errors import DataError
from tests.tiny_splits import make_raw


def test_fingerprint_sees_order_labels_and_names() -> None:
    raw = make_raw()
    train = raw.train
    others = (
        replace(raw, train=Split(train.images.flip(0), train.labels)),
        replace(raw, train=Split(train.images, 1 - train.labels)),
        replace(raw, class_names=("b", "a")),
        replace(raw, train=raw.test, test=train),
    )
    assert len({fingerprint(raw), *map(fingerprint, others)}) == 5


def numbered(labels: list[int]) -> Split:
    """Images whose pixels hold their own number."""
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 32, 32).contiguous()
    return Split(images, torch.tensor(labels))


def test_hold_out_takes_the_same_number_of_each_class() -> None:
    split = numbered([0] * 20 + [1] * 10 + [2] * 15)
    train, val = hold_out(split, 13)
    assert val.labels.bincount().tolist() == [4, 4, 4]
    numbers = [part.images[:, 0, 0, 0].tolist() for part in (train, val)]
    assert sorted(numbers[0] + numbers[1]) == list(range(45))
    for part, kept in zip((train, val), numbers, strict=True):
        assert kept == sorted(kept)
        assert torch.equal(part.labels, split.labels[kept])
        assert part.images.is_contiguous()


def test_hold_out_is_fixed_by_its_seed() -> None:
    split = numbered([0, 1] * 40)
    first, again, other = (hold_out(split, 20, seed)[1].images[:, 0, 0, 0].tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(("labels", "num_images"), [([0, 0, 0, 1, 1], 4), ([0, 1], 5000), ([0, 1], 1), ([], 5)])
def test_hold_out_refuses_too_few(labels: list[int], num_images: int) -> None:
    with pytest.raises(DataError, match="cannot hold out"):
        hold_out(numbered(labels), num_images)


def test_a_share_is_held_out_of_each_class_however_many_images_it_has() -> None:
    split = numbered([0] * 20 + [1] * 2 + [2] * 10)
    (train, test), (_, again) = hold_out_share(split, 0.2), hold_out_share(split, 0.2)
    assert test.labels.bincount().tolist() == [4, 1, 2]
    assert train.labels.bincount().tolist() == [16, 1, 8]
    assert torch.equal(test.images, again.images)


def test_of_a_single_image_no_share_is_held_out() -> None:
    with pytest.raises(DataError, match="a class with a single image"):
        hold_out_share(numbered([0, 0, 1]), 0.2)


def test_a_val_split_of_the_data_is_used_as_it_is() -> None:
    train, test, val = (numbered([0, 1] * number) for number in (20, 5, 3))
    data = Dataset("folder", "numbers", ("a", "b"), train, test, CIFAR10_CONSTANTS, "")
    assert [len(split) for split in data.train_and_val()] == [36, 4]
    assert (data.num_held_out, data.num_val) == (4, 4)
    given = replace(data, val=val)
    assert given.train_and_val() == (train, val)
    assert (given.num_held_out, given.num_val) == (0, 6)

"""Images that stand in a data set more than once, pixel by pixel. They make a test say more, or less, than it can."""

from collections import Counter
from pathlib import Path

from normbench.data.dataset import Dataset, Split
from normbench.data.notes import note_share
from normbench.errors import DataError

NEARLY_ALL = 0.9
"""Of the test images. Tested on so many training images, a network shows what it knows by heart."""


def count_shared(train: Split, held_out: Split) -> int:
    """How many images of `held_out` are images of `train` too."""
    known = set(image_hashes(train))
    return sum(image in known for image in image_hashes(held_out))


def check_repeats(dataset: Dataset, place: Path) -> None:
    """Notes on test images that are training images, and on images of several classes, in the data set of `place`.

    Raises DataError if NEARLY_ALL test images are training images.
    """
    train, test = image_hashes(dataset.train), image_hashes(dataset.test)
    known = set(train)
    shared = sum(image in known for image in test)
    if shared > NEARLY_ALL * len(test):
        raise DataError(
            f"{place}: {_share(shared, len(test))} test images are training images too, pixel "
            "by pixel, so a test would measure what was learned by heart: put other images under test"
        )
    if shared:
        note_share(
            shared, len(test), f"{_share(shared, len(test))} test images are training images too, pixel by pixel"
        )
    labels = [*dataset.train.labels.tolist(), *dataset.test.labels.tolist()]
    of_classes = Counter(image for image, _ in set(zip([*train, *test], labels, strict=True)))
    if ambiguous := sum(of_classes[image] > 1 for image in [*train, *test]):
        note_share(ambiguous, len(labels), f"{_share(ambiguous, len(labels))} images stand in more than one class")


def _share(count: int, of: int) -> str:
    return f"{count:,} of {of:,} ({count / of:.2%})"


def image_hashes(split: Split) -> list[int]:
    """One for each image: equal for equal images, and for two others of 60,000 with a probability of 1e-10."""
    return [hash(image.tobytes()) for image in split.images.numpy()]

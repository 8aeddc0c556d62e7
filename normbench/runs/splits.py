"""Which images of a data set a run trains on, is evaluated on, and chooses its lr by."""

from typing import NamedTuple

from normbench.config import Config
from normbench.data.dataset import Dataset, Split, hold_out
from normbench.runs.build import build_schedule

VAL_SHARE = 10  # a tenth of the training images: 5,000 of CIFAR-10


class Splits(NamedTuple):
    """The images to train on, those to evaluate on, and those that the schedule watches besides, if it does."""

    train: Split
    held_out: Split
    watched: Split | None


def splits(config: Config, dataset: Dataset) -> Splits:
    """Validation images are held out of the training images, for a schedule as for an evaluation."""
    on_test = config.data.evaluate_on == "test"
    if on_test and not build_schedule(config).watches:
        return Splits(dataset.train, dataset.test, None)
    train, val = hold_out(dataset.train, len(dataset.train) // VAL_SHARE)
    return Splits(train, dataset.test, val) if on_test else Splits(train, val, None)


def split_sizes(config: Config, dataset: Dataset) -> tuple[int, int]:
    """How many images a run trains on, and how many it is evaluated on."""
    on_test, num_val = config.data.evaluate_on == "test", len(dataset.train) // VAL_SHARE
    if on_test and not build_schedule(config).watches:
        num_val = 0
    return len(dataset.train) - num_val, len(dataset.test) if on_test else num_val


def split_names(config: Config) -> tuple[str, ...]:
    """The names of the images that are not trained on, as the columns of `metrics.csv` have them."""
    on = config.data.evaluate_on
    return ("val", "test") if on == "test" and build_schedule(config).watches else (on,)

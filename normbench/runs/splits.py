"""Which images of a data set a run trains on, is evaluated on, and chooses its lr by."""

from typing import NamedTuple

from normbench.config import Config
from normbench.data.dataset import Dataset, Split
from normbench.runs.build import build_schedule


class Splits(NamedTuple):
    """The images to train on, those to evaluate on, and those that the schedule watches besides, if it does."""

    train: Split
    held_out: Split
    watched: Split | None


def splits(config: Config, dataset: Dataset) -> Splits:
    """Validation images are the data's own or held out of the training images, for a schedule as for an evaluation."""
    on_test = config.data.evaluate_on == "test"
    if on_test and not build_schedule(config).watches:
        return Splits(dataset.train, dataset.test, None)
    train, val = dataset.train_and_val()
    return Splits(train, dataset.test, val) if on_test else Splits(train, val, None)


def split_sizes(config: Config, dataset: Dataset) -> tuple[int, int]:
    """How many images a run trains on, and how many it is evaluated on."""
    if config.data.evaluate_on == "val":
        return len(dataset.train) - dataset.num_held_out, dataset.num_val
    watched = dataset.num_held_out if build_schedule(config).watches else 0
    return len(dataset.train) - watched, len(dataset.test)


def split_names(config: Config) -> tuple[str, ...]:
    """The names of the images that are not trained on, as the columns of `metrics.csv` have them."""
    on = config.data.evaluate_on
    return ("val", "test") if on == "test" and build_schedule(config).watches else (on,)

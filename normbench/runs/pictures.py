"""The pictures of a finished run, drawn from the files in its folder."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from normbench.config import Config
from normbench.data.dataset import Dataset, Split
from normbench.errors import ConfigError, RunError
from normbench.norms import norm_label
from normbench.plots.layout import Layout
from normbench.plots.misclassified import draw_misclassified
from normbench.plots.run_curves import draw_run_curves
from normbench.plots.save import save_figure
from normbench.runs.folder import RunFolder
from normbench.runs.read import read_epochs, read_predictions
from normbench.runs.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


def draw_run(config: Config, folder: RunFolder, record: Record, dataset: Dataset, held_out: Split) -> bool:
    """Writes the training curves and the misclassified images, unless the run diverged; what fails is logged.

    The run is recorded already, so that no picture can lose it. Returns False if a picture could not be written, as on
    a full disk: another time it may be. A picture that cannot be drawn stays away.
    """
    if record.diverged:
        return True
    norm = norm_label(config.norm.name, config.norm.options)
    title = f"{norm}, seed {config.seed}, {dataset.name}, {config.name} recipe"
    pictures: dict[str, Callable[[], Figure]] = {
        "curves": partial(_curves, config, folder, record, title),
        "misclassified": partial(_misclassified, config, folder, record, dataset, held_out, title),
    }
    is_written = True
    for name, draw in pictures.items():
        try:
            figure = draw()
            for format_ in config.pictures.formats:
                save_figure(figure, folder.picture(name, format_))
        except Exception as error:  # matplotlib and its fonts may raise anything at all
            is_written = is_written and not isinstance(error, ConfigError | RunError)
            why = (str(error).splitlines() or [type(error).__name__])[0]
            logger.info(f"note: the run is recorded, but its picture {name} could not be drawn: {why}")
    return is_written


def _layout(config: Config) -> Layout:
    return Layout(config.pictures.width, config.pictures.title)


def _curves(config: Config, folder: RunFolder, record: Record, title: str) -> "Figure":
    return draw_run_curves(read_epochs(folder, record), title, _layout(config))


def _misclassified(
    config: Config, folder: RunFolder, record: Record, dataset: Dataset, held_out: Split, title: str
) -> "Figure":
    """Images are shown as the data set has them, not normalized."""
    labels, logits = read_predictions(folder, record)
    wanted = config.pictures
    return draw_misclassified(
        held_out.images.numpy(),
        labels,
        logits,
        dataset.class_names,
        title,
        rows=wanted.rows,
        columns=wanted.columns,
        choose=wanted.choose,
        seed=config.seed,
        layout=_layout(config),
    )

"""The pictures of a finished run, drawn from the files in its folder."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from normbench.config import Config
from normbench.data.dataset import Dataset, Split
from normbench.norms import norm_label
from normbench.plots.misclassified import draw_misclassified
from normbench.plots.run_curves import draw_run_curves
from normbench.runs.folder import RunFolder
from normbench.runs.read import read_epochs, read_predictions
from normbench.runs.record import Record

logger = logging.getLogger(__name__)


def draw_run(config: Config, folder: RunFolder, record: Record, dataset: Dataset, held_out: Split) -> None:
    """Writes `curves.png` and `misclassified.png`, unless the run diverged; what fails is logged.

    The run is recorded already, so that no picture can lose it.
    """
    if record.diverged:
        return
    norm = norm_label(config.norm.name, config.norm.options)
    title = f"{norm}, seed {config.seed}, {dataset.source} data, {config.name} recipe"
    pictures: dict[Path, Callable[[], None]] = {
        folder.curves: partial(_curves, folder, record, title),
        folder.misclassified: partial(_misclassified, config, folder, record, dataset, held_out, title),
    }
    for path, draw in pictures.items():
        try:
            draw()
        except Exception as error:  # matplotlib and its fonts may raise anything at all
            why = (str(error).splitlines() or [type(error).__name__])[0]
            logger.info(f"note: the run is recorded, but its picture {path.name} could not be drawn: {why}")


def _curves(folder: RunFolder, record: Record, title: str) -> None:
    draw_run_curves(read_epochs(folder, record), title, folder.curves)


def _misclassified(
    config: Config, folder: RunFolder, record: Record, dataset: Dataset, held_out: Split, title: str
) -> None:
    """Images are shown as the data set has them, not normalized."""
    labels, logits = read_predictions(folder, record)
    wanted = config.pictures
    draw_misclassified(
        held_out.images.numpy(),
        labels,
        logits,
        dataset.class_names,
        title,
        folder.misclassified,
        rows=wanted.rows,
        columns=wanted.columns,
        choose=wanted.choose,
        seed=config.seed,
    )

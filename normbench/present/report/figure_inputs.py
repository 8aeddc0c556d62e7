"""What the figures of a comparison are drawn from."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.facts import flatten
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.same_images import SameImages, same_images
from normbench.errors import NormbenchError
from normbench.plots.layout import Layout
from normbench.plots.style import Style, norm_styles
from normbench.present.report.names import numbered
from normbench.text import plural

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

Named = tuple[str, "Figure"]
"""The name of a figure's files without their ending, and the figure."""

log = logging.getLogger(__name__)

_OF_THE_IMAGES = ("resize", "held_out")
"""Keys of a config's data that decide which images they are, besides source and place."""
IN_CAPTION = {
    "train.epochs": "{} epochs",
    "train.batch_size": "batch size {}",
    "train.optimizer.name": "{}",
    "train.optimizer.lr": "learning rate {}",
}


@dataclass(frozen=True)
class FigureInputs:
    """A comparison, and how its figures are laid out."""

    comparison: Comparison
    layout: Layout

    @cached_property
    def rows(self) -> Mapping[str, NormRow]:
        """The rows by label; a label that stands twice is numbered."""
        rows = self.comparison.rows
        return dict(zip(numbered([row.label for row in rows]), rows, strict=True))

    @cached_property
    def styles(self) -> dict[str, Style]:
        return norm_styles(list(self.rows))

    @cached_property
    def about(self) -> str:
        """The data and the recipe in a line; a key with several values, such as the learning rate, by its range."""
        comparison, experiments = self.comparison, self.comparison.experiments
        parts = [comparison.data, f"{comparison.num_eval:,} {comparison.split} images"]
        parts.append(f"experiment {experiments[0]}" if len(experiments) == 1 else f"{len(experiments)} experiments")
        configs = [flatten(run.record.config) for row in comparison.rows for run in row.runs]
        for key, text in IN_CAPTION.items():
            if key != comparison.key:
                parts += _ranged([config[key] for config in configs if key in config], text)
        return ", ".join(parts)

    @cached_property
    def predictions(self) -> SameImages:
        """The predictions of a comparison that has read them. Logs, once, which are missing."""
        found = same_images(self.rows)
        if found.labels is None:
            log.info(f"confusion and disagreement not drawn: {few(found.missing) or 'no run finished'}")
        elif found.missing:
            log.info(f"confusion and disagreement leave out: {few(found.missing)}")
        return found

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The names of the classes in the records, or numbers where a record has too few names."""
        found = self.predictions
        assert found.labels is not None
        least = int(max(found.labels.max(), *(classes.max() for classes in found.classes.values()))) + 1
        named = (run.record.data.classes for row in self.comparison.rows for run in row.finished)
        return next((names for names in named if len(names) >= least), [str(number) for number in range(least)])

    @cached_property
    def images(self) -> "NDArray[np.uint8] | str":
        """The evaluated images [N, C, H, W], or why they cannot be shown.

        They are loaded as for training, from the source and folder in the runs' config. Their fingerprint must be that
        of the runs, and their labels must be those of the predictions.
        """
        import numpy as np
        from pydantic import ValidationError

        from normbench.config import DataConfig
        from normbench.data.load import load_dataset

        comparison = self.comparison
        found = (run.record.config.get("data") for row in comparison.rows for run in row.finished)
        configs = [config for config in found if isinstance(config, dict)]
        wanted = {key: config[key] for config in configs[:1] for key in _OF_THE_IMAGES if key in config}
        folders = [config["dir"] for config in configs if _is_text(config.get("dir"))]
        try:
            config = DataConfig(source=comparison.source, dir=folders[0] if folders else None, **wanted)
            dataset = load_dataset(config)
            if dataset.fingerprint != comparison.fingerprint:
                here, of_runs = dataset.fingerprint[:8], comparison.fingerprint[:8]
                return f"the images here have fingerprint {here}, those of the runs {of_runs}"
            split = dataset.test if comparison.split == "test" else dataset.train_and_val()[1]
        except (NormbenchError, ValidationError) as error:
            return f"the images are not at hand: {error}"
        if self.predictions.labels is None or not np.array_equal(split.labels.numpy(), self.predictions.labels):
            return "the labels of the images are not those of the predictions"
        images: NDArray[np.uint8] = split.images.numpy()
        return images


def few(reasons: Sequence[str], most: int = 2) -> str:
    """The first reasons, and the number of the others."""
    more = len(reasons) - most
    return "; ".join(reasons[:most]) + (f"; and {plural(more, 'run')} more" if more > 0 else "")


def _ranged(values: list[Any], text: str) -> list[str]:
    found = list(dict.fromkeys(values))
    if found == [1]:
        text = text.removesuffix("s")  # 1 epoch
    if len(found) > 1 and all(isinstance(value, int | float) for value in found):
        return [text.format(f"{min(found):g} to {max(found):g}")]
    return [text.format(" or ".join(map(str, found)))] if found else []


def _is_text(value: object) -> bool:
    return isinstance(value, str)

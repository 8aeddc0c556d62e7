"""What the norms of a comparison predict for the same images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.analysis.compare.predictions import Predictions
from normbench.analysis.compare.rows import NormRow
from normbench.analysis.compare.run import Run
from normbench.text import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SameImages:
    """Of N images: true `labels` [N]; by norm, predicted `classes` [runs, N] and `truth` [N].

    `truth` is the probability of the true class, a mean over the runs; `first` is the first of the runs. `labels` is
    None without any predictions. `missing` says why runs are left out.
    """

    labels: "NDArray[np.int64] | None"
    classes: Mapping[str, "NDArray[np.int64]"]
    truth: Mapping[str, "NDArray[np.float64]"]
    first: Mapping[str, Run]
    missing: list[str]


def same_images(rows: Mapping[str, NormRow]) -> SameImages:
    """The predictions of all finished runs whose labels are the same as those of the first complete run."""
    import numpy as np

    labels: NDArray[np.int64] | None = None
    classes: dict[str, NDArray[np.int64]] = {}
    truth: dict[str, NDArray[np.float64]] = {}
    first: dict[str, Run] = {}
    missing = []
    for name, row in rows.items():
        runs = []
        for run in row.finished:
            found = run.predictions
            if not isinstance(found, Predictions):
                missing.append(str(found))
                continue
            if labels is None and len(found.labels) == run.record.data.num_eval:
                labels = found.labels
            if labels is None or not np.array_equal(labels, found.labels):
                where = printable(run.folder.predictions)
                missing.append(f"{where}: its labels are not those of the images of the comparison")
                continue
            runs.append(found)
            first.setdefault(name, run)
        if runs:
            classes[name] = np.stack([run.classes for run in runs])
            truth[name] = np.mean([run.truth for run in runs], axis=0)
    return SameImages(labels, classes, truth, first, missing)

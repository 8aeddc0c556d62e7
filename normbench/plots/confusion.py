"""A norm's confusion matrix, and its difference from the baseline's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.plots.save import literal, save_figure
from normbench.plots.style import caption

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from numpy.typing import NDArray

CELL_INCHES = 0.5
SMALLEST_RANGE = 1.0  # percentage points that get the full colour at least, so that noise stays pale
LONGEST_NAME = 14


def draw_confusion(
    rates: "NDArray[np.float64]",
    n: int,
    label: str,
    class_names: Sequence[str],
    about: str,
    stem: Path,
    baseline: "tuple[NDArray[np.float64], int, str] | None" = None,
) -> list[Path]:
    """Draws a norm's confusion matrix in % of each true class and, with a baseline, its difference in points.

    rates: [classes, classes], fractions, means over n runs. [i, j] is the share of the images of class i that were
        predicted as class j. The row of a class without images is NaN.
    about: the line under the title, which names the data and the runs.
    baseline: (rates, n, label) of the norm that is subtracted.

    Every cell shows its number, a difference with its sign. Returns the paths written: `<stem>.png`, `<stem>.svg`.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure  # slow to import

    names = [_short(name) for name in class_names]
    side = max(4.0, CELL_INCHES * len(names) + 1.2)
    figure = Figure(figsize=((side + 0.6) * (2 if baseline else 1), side + 1.3), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12)  # type: ignore[union-attr, call-arg]
    panels = figure.subplots(1, 2 if baseline else 1, squeeze=False)[0]
    percent = 100 * rates
    # A square-root scale: otherwise 2 % and 5 % look alike beside a diagonal of 90 %.
    _draw(panels[0], percent, names, "Blues", PowerNorm(0.5, 0, 100), "{:.1f}", "true class (%)")
    panels[0].set_title(literal(f"{label}, n = {n}: share of each true class (%)"), fontsize=9.5)
    notes = ["Rows sum to 100 %."]
    if n > 1:
        notes.append("Mean over n runs.")
    title = f"Confusion matrix of {label}"
    if baseline is not None:
        other, other_n, other_label = baseline
        _draw_difference(panels[1], percent - 100 * other, names)
        panels[1].set_title(literal(f"{label} − {other_label} (n = {n} and {other_n}): points"), fontsize=9.5)
        title += f" and its difference from {other_label}"
        notes.append("Differences in percentage points: on the diagonal + is better, elsewhere + is more mistakes.")
        if 1 in (n, other_n):
            notes.append("n = 1: the difference holds the chance of single runs too.")
    caption(figure, title, about, [" ".join(notes)])
    return save_figure(figure, stem)


def _draw_difference(axes: "Axes", points: "NDArray[np.float64]", names: Sequence[str]) -> None:
    import numpy as np
    from matplotlib.colors import Normalize

    finite = np.abs(points[np.isfinite(points)])
    largest = max(SMALLEST_RANGE, float(finite.max()) if finite.size else 0.0)
    _draw(axes, points, names, "RdBu", Normalize(-largest, largest), "{:+.1f}", "")


def _draw(
    axes: "Axes",
    values: "NDArray[np.float64]",
    names: Sequence[str],
    colours: str,
    scale: "Normalize",
    number: str,
    unit: str,
) -> None:
    import matplotlib
    import numpy as np

    map_ = matplotlib.colormaps[colours]
    axes.imshow(values, cmap=map_, norm=scale, interpolation="none")
    size = 8 if len(names) <= 12 else 5.5
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value):
            continue
        red, green, blue, _ = map_(float(scale(value)))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        text = number.format(value).replace("-", "−")
        text = text.lstrip("+−") if float(number.format(value)) == 0 else text
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else "0.15")
    shown = [literal(name) for name in names]
    axes.set_xticks(range(len(names)), shown, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), shown)
    axes.tick_params(length=0, labelsize=8.5)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"

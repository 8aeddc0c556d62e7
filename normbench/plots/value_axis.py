"""The horizontal axis of a figure along a config key: where its values stand, on which scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normbench.plots.save import literal
from normbench.plots.words import capitalized, in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Value = float | int | str | bool | None

LOG_KEYS = ("lr", "sgd_lr", "weight_decay", "eps")
LOG_FROM = 16  # ratio of the largest to the smallest value from which a linear axis would crowd the small ones
ROOM = 0.12  # at either end of the horizontal axis, in its length


@dataclass(frozen=True)
class ValueAxis:
    """Where each value of the key stands on the horizontal axis."""

    places: Mapping[Value, float]
    scale: str
    """`log2`, `log10`, `linear` or `categorical`."""


def value_axis(lines: Mapping[str, Sequence[Value]], key: str) -> ValueAxis:
    """The axis for the values of each norm, by label.

    None gets a place only if its norm has other values too; else the norm is a level line.
    """
    without = [label for label, of_norm in lines.items() if all(value is None for value in of_norm)]
    values = list(dict.fromkeys(value for label, of_norm in lines.items() if label not in without for value in of_norm))
    scale = axis_scale(key, values)
    if scale == "categorical":
        return ValueAxis({value: float(index) for index, value in enumerate(values)}, scale)
    return ValueAxis({value: float(value) for value in values}, scale)  # type: ignore[arg-type]


def axis_scale(key: str, values: Sequence[Value]) -> str:
    """`log2` for powers of two, `log10` for learning rates and wide ranges, `linear` for other numbers, `categorical`.

    Example: axis_scale("train.batch_size", [2, 8, 64]) == "log2".
    """
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "categorical"
    numbers = [float(value) for value in values]  # type: ignore[arg-type]
    if len(numbers) > 1 and min(numbers) > 0:
        if all(math.log2(number).is_integer() for number in numbers):
            return "log2"
        if key.rpartition(".")[2] in LOG_KEYS or max(numbers) / min(numbers) >= LOG_FROM:
            return "log10"
    return "linear"


def set_axis(axes: "Axes", axis: ValueAxis) -> None:
    """Gives the axes the scale, the ticks and the limits of `axis`."""
    from matplotlib.ticker import NullLocator

    if axis.scale.startswith("log"):
        axes.set_xscale("log", base=int(axis.scale[3:]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(axis.places.values()), [literal(value_in_words(value)) for value in axis.places])
    axes.set_xlim(*_limits(list(axis.places.values()), axis.scale))


def _limits(places: Sequence[float], scale: str) -> tuple[float, float]:
    """The ends of the horizontal axis, with room for the bars beside the outermost values."""
    if not places:
        return 0.0, 1.0
    if scale.startswith("log"):
        low, high = _limits([math.log(place) for place in places], "linear")
        return math.exp(low), math.exp(high)
    room = ROOM * (max(places) - min(places)) or 0.5
    return min(places) - room, max(places) + room


def axis_label(key: str, axis: ValueAxis) -> str:
    """The key in words, and whether the scale is logarithmic."""
    return literal(f"{capitalized(in_words(key))}{' (log scale)' if axis.scale.startswith('log') else ''}")


def value_in_words(value: Value) -> str:
    """A value as it stands on the axis."""
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value)

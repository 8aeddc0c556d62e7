"""The metrics of a run, in one table: keys, titles, units, digits, signs.

A metric that is measured on the held-out images has a field in `runs.record.HeldOutMetrics`, a value in
`runs.build_record` and a line in METRICS; run.json, csv, json and the tables of all metrics and runs follow from these.
A metric that is computed from others has its formula in `analysis.compare.rows.metrics_of`, and a line in METRICS.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Unit:
    """A table shows `scale` times the value, which lies within `bounds`."""

    name: str
    scale: int = 1
    bounds: tuple[float, float] = (-math.inf, math.inf)


PERCENT = Unit("%", 100, (0.0, 1.0))
"""Of fractions."""
POINTS = Unit("points", 100, (-1.0, 1.0))
"""Of differences of fractions."""
NATS = Unit("nats", bounds=(0.0, math.inf))
IMAGES = Unit("images", bounds=(0.0, math.inf))


@dataclass(frozen=True)
class Metric:
    """How a metric is named and written. In `METRICS`, `{split}` stands for `test` or `val`, `{Split}` in titles.

    `key` is the name in `run.json`, csv and json. `digits` are the decimals in a table with many columns, `full_digits`
    those in the table of all metrics. `signed` metrics have a plus or a minus.
    """

    key: str
    title: str
    unit: Unit
    digits: int
    full_digits: int
    signed: bool = False


STATISTICS = {name: f"accuracy_with_{name}_statistics" for name in ("running", "batch", "precise")}
"""Keys of the accuracy by the statistics that batch norm uses; see `runs.record.Statistics`."""

METRICS = (
    Metric("train_accuracy", "Train Acc", PERCENT, 2, 2),
    Metric("{split}_accuracy", "{Split} Acc", PERCENT, 2, 2),
    Metric("train_loss", "Train Loss", NATS, 3, 4),
    Metric("{split}_loss", "{Split} Loss", NATS, 3, 4),
    Metric("{split}_errors", "{Split} errors", IMAGES, 0, 1),
    Metric("also_test_accuracy", "Also Acc", PERCENT, 2, 2),
    Metric("generalization_gap", "Gap", POINTS, 2, 2, signed=True),
    *(Metric(key, f"Acc, {name}", PERCENT, 2, 2) for name, key in STATISTICS.items()),
    Metric("statistics_gap", "Eval gap", POINTS, 2, 2, signed=True),
)
"""In the order of tables and files.

`generalization_gap` is train minus held-out accuracy, `statistics_gap` the accuracy with running statistics minus the
one with batch statistics: what evaluation mode costs or gains. `also_test_accuracy` is over the images of
`data.also_test`.
"""


def metrics_of_split(split: str) -> dict[str, Metric]:
    """METRICS by key, for runs that were evaluated on `split`, test or val."""
    filled = (
        replace(
            metric,
            key=metric.key.format(split=split),
            title=metric.title.format(Split=split.capitalize()),
        )
        for metric in METRICS
    )
    return {metric.key: metric for metric in filled}

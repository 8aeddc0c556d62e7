"""The page of the file formats describes each field of the models that define them."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from normbench.runs.machines import MachineChoices, Machines
from normbench.runs.record import AlsoTest, Data, Diverged, Model, Record, Statistics, Timing
from normbench.runs.sweep_records import Chosen, Decisions, LookedAt, Sweep, SweepPlan, Tuning

PAGE = (Path(__file__).parents[2] / "docs" / "file-formats.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "model",
    [
        Record,
        Data,
        Model,
        Statistics,
        AlsoTest,
        Diverged,
        Timing,
        Sweep,
        SweepPlan,
        Machines,
        MachineChoices,
        Tuning,
        Chosen,
        Decisions,
        LookedAt,
    ],
)
def test_each_field_is_described(model: type[BaseModel]) -> None:
    undescribed = [name for name in model.model_fields if not re.search(rf"[`.]{name}[`.]", PAGE)]
    assert not undescribed


def test_each_column_of_metrics_csv_is_described() -> None:
    published = Path(__file__).parents[2] / "results" / "published"
    columns = next(published.glob("**/metrics.csv")).read_text().partition("\n")[0]
    assert not [column for column in columns.split(",") if f"`{column}`" not in PAGE]

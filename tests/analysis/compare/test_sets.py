"""Which runs are compared with each other, and along which key, by the plans of the sweeps that they are of."""

from pathlib import Path

import pytest

from normbench.analysis.compare.comparisons import comparisons
from normbench.analysis.compare.sets import RunSet
from normbench.sweeps.record import keep_plan
from tests.records import make_record, sets_of, write_run

SIZES, LRS = [8, 64], [0.05, 0.1]


def write_sweep(results: Path, axes: dict[str, list], **changes: object) -> list[str]:
    """Two norms at each combination of the axes, and the plan of it all."""
    cells: list[dict] = [{}]
    for key, values in axes.items():
        cells = [{**cell, key: value} for cell in cells for value in values]
    names = []
    for number, cell in enumerate(cells):
        settings = {f"config__{key.replace('.', '__')}": value for key, value in cell.items()}
        for kind in ("bn", "gn"):
            record = make_record(kind, run_id=f"{kind}-{number}", **settings, **changes)
            names.append(write_run(results, record).name)
    keep_plan(results / str(changes.get("experiment", "default")), {"norm": ["bn", "gn"], **axes}, names)
    return names


def shape(found: RunSet) -> tuple[str | None, list, int]:
    return found.key, list(found.recipes), len(found.runs)


def test_norm_and_seed_experiment_and_places_may_differ_and_no_other_setting() -> None:
    same = [make_record("bn", 0), make_record("gn", 1, experiment="copy", config__data__dir="/elsewhere")]
    (found,) = sets_of([*same, make_record("bn", 2, precision="fp32")])
    assert shape(found) == (None, [None], 3)
    assert len(sets_of([*same, make_record("bn", config__model__dropout=0.1)])) == 2


def test_the_newest_set_comes_first() -> None:
    days = {3: "2026-01-01", 1: "2026-01-03", 2: "2026-01-02"}
    records = [make_record("bn", config__train__epochs=e, finished_at=f"{day}T00:00:00") for e, day in days.items()]
    assert [found.recipes[None]["train.epochs"] for found in sets_of(records)] == [1, 2, 3]


def test_a_sweep_over_one_key_is_a_grid_without_being_asked(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"train.batch_size": SIZES})
    (comparison,) = comparisons([tmp_path]).shown
    assert comparison.grid is not None
    assert comparison.grid.values == (8, 64)
    (one,) = comparisons([tmp_path], ["train.batch_size=8"]).shown
    assert one.grid is None


def test_a_sweep_over_two_keys_is_a_grid_for_each_value_of_the_other(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"train.batch_size": SIZES, "train.optimizer.lr": LRS})
    found = comparisons([tmp_path])
    assert [comparison.key for comparison in found.shown] == ["train.batch_size"] * 2
    along = "batch size 8 to 64"
    assert sorted(row.apart for row in found.overview) == [(along, "lr 0.05"), (along, "lr 0.1")]
    (other, _) = comparisons([tmp_path], ["train.batch_size=8"]).shown, None
    assert [comparison.key for comparison in other] == ["train.optimizer.lr"]


def test_a_sweep_over_three_keys_has_a_set_for_each_combination_of_the_others(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"train.batch_size": SIZES, "train.optimizer.lr": LRS, "train.epochs": [1, 2]})
    found = comparisons([tmp_path], most=None)
    assert [len(comparison.grid.values) for comparison in found.shown if comparison.grid] == [2] * 4


def test_keys_that_were_swept_together_follow_the_first(tmp_path: Path) -> None:
    results = tmp_path / "results"
    names = []
    for size, lr in zip(SIZES, LRS, strict=True):
        record = make_record("bn", run_id=f"bn-{size}", config__train__batch_size=size)
        record["config"]["train"]["optimizer"]["lr"] = lr
        names.append(write_run(results, record).name)
    keep_plan(results / "default", {"norm": ["bn"], "train.batch_size": SIZES, "train.optimizer.lr": LRS}, names)
    (comparison,) = comparisons([results]).shown
    assert comparison.key == "train.batch_size"
    assert "train.optimizer.lr: 0.05 at 8, 0.1 at 64" in comparison.differs[0]


def test_options_of_the_norm_are_rows_and_no_axis(tmp_path: Path) -> None:
    names = [
        write_run(tmp_path, make_record("gn", label=f"GN({n})", run_id=f"gn-{n}", config__norm={"num_groups": n})).name
        for n in (2, 4)
    ]
    keep_plan(tmp_path / "default", {"norm.num_groups": [2, 4]}, names)
    (comparison,) = comparisons([tmp_path]).shown
    assert comparison.grid is None
    assert [row.label for row in comparison.rows] == ["GN(2)", "GN(4)"]


def test_a_single_run_joins_the_sweep_of_its_experiment_where_it_fits(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"train.batch_size": SIZES})
    write_run(tmp_path, make_record("ln", 0, config__train__batch_size=8))
    write_run(tmp_path, make_record("ln", 1, config__train__batch_size=16))
    write_run(tmp_path, make_record("ln", 0, experiment="other", config__train__batch_size=8))
    found = comparisons([tmp_path])
    assert sorted((row.experiments, row.num_runs) for row in found.overview) == [
        (("default",), 1),
        (("default",), 5),
        (("other",), 1),
    ]


def test_the_same_sweep_in_two_experiments_is_one_set_and_on_other_data_two(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"train.batch_size": SIZES})
    write_sweep(tmp_path, {"train.batch_size": SIZES}, experiment="again")
    write_sweep(tmp_path, {"train.batch_size": SIZES}, experiment="jpeg", data__fingerprint="cd" * 32)
    rows = comparisons([tmp_path]).overview
    assert sorted(row.experiments for row in rows) == [("again", "default"), ("jpeg",)]


def test_a_damaged_plan_is_named_and_its_runs_are_shown_value_by_value(tmp_path: Path) -> None:
    write_sweep(tmp_path, {"train.batch_size": SIZES})
    (tmp_path / "default" / "sweep.json").write_text("{")
    found = comparisons([tmp_path])
    assert len(found.shown) == 2
    assert found.possible_axes == ("train.batch_size",)
    assert any("sweep.json" in note for note in found.notes)


@pytest.mark.parametrize("by", [None, "train.batch_size"])
def test_one_run_is_one_set(by: str | None) -> None:
    (found,) = sets_of([make_record("bn")], by)
    assert len(found.runs) == 1

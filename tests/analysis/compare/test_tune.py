"""Tuned keys: free to differ between norms as far as they were chosen, and the comparison says so."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from normbench.analysis.compare.compare import Options
from normbench.analysis.compare.comparisons import comparisons
from normbench.errors import ConfigError
from normbench.present.tables.grid import grid_table
from normbench.present.tables.norms import comparison_table
from tests.records import compare_folder, make_record, write_run

LR = "train.optimizer.lr"


def tuning(**changes: Any) -> dict[str, Any]:
    chosen = [
        {"norm": {"kind": "bn"}, "label": "BN", "values": {LR: 0.1}, "val_accuracy": 0.81, "on_edge": []},
        {"norm": {"kind": "gn"}, "label": "GN(4)", "values": {LR: 0.05}, "val_accuracy": 0.79, "on_edge": [LR]},
    ]
    content = {"schema_version": 1, "budget": 3, "grid": {LR: [0.05, 0.1, 0.2]}, "seeds": [100], "chosen": chosen}
    return content | changes


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """An experiment of two norms, tuned: finals with the chosen lr, and trials on val."""
    for seed in range(2):
        write_run(tmp_path, make_record("bn", seed, 0.82 + seed / 1000))
        write_run(tmp_path, make_record("gn", seed, 0.80 + seed / 1000, config__train__optimizer__lr=0.05))
    (tmp_path / "default" / "tuning.json").write_text(json.dumps(tuning()))
    for kind in ("bn", "gn"):
        for number, lr in enumerate((0.05, 0.1, 0.2)):
            trial = make_record(kind, 100, 0.7, split="val", run_id=f"{kind}-{number}", config__train__optimizer__lr=lr)
            folder = tmp_path / "default" / "tuning" / trial["run_id"]
            folder.mkdir(parents=True)
            (folder / "run.json").write_text(json.dumps(trial))
    return tmp_path


def test_what_was_chosen_may_differ_and_is_stated(results: Path) -> None:
    comparison, notes = compare_folder(results)
    assert [row.n for row in comparison.rows] == [2, 2]
    assert comparison.recipe[LR] == "as tuned"
    stated = " ".join(comparison_table(comparison).notes)
    assert "3 trials for each norm (seeds 100; train.optimizer.lr from 0.05, 0.1, 0.2)" in stated
    assert "BN train.optimizer.lr 0.1 (val 81.00 %); GN(4) train.optimizer.lr 0.05 (val 79.00 %)" in stated
    assert "GN(4): the best train.optimizer.lr = 0.05 is on the edge of the grid" in stated
    assert "BN: the best" not in stated
    (note,) = notes
    assert note.startswith("left out: 6 runs of a tuning")


def test_a_choice_may_be_that_a_key_is_off_which_records_leave_out(tmp_path: Path) -> None:
    key = "train.label_smoothing"
    write_run(tmp_path, make_record("bn", 0, 0.82, config__train__label_smoothing=0.1))
    write_run(tmp_path, make_record("gn", 0, 0.80))
    chosen = [
        {"norm": {"kind": kind}, "label": label, "values": {key: value}, "val_accuracy": 0.8, "on_edge": []}
        for kind, label, value in (("bn", "BN", 0.1), ("gn", "GN(4)", 0.0))
    ]
    content = tuning(grid={key: [0.0, 0.1]}, chosen=chosen)
    (tmp_path / "default" / "tuning.json").write_text(json.dumps(content))
    comparison, _ = compare_folder(tmp_path)
    assert [row.label for row in comparison.rows] == ["BN", "GN(4)"]
    assert comparison.recipe[key] == "as tuned"


def test_trials_are_shown_when_asked_for(results: Path) -> None:
    comparison, notes = compare_folder(results, ["data.evaluate_on=val"])  # along the tuned key
    assert comparison.split == "val"
    assert comparison.grid is not None
    assert comparison.grid.values == (0.05, 0.1, 0.2)
    assert notes == []
    direct, _ = compare_folder(results / "default" / "tuning", ["train.lr=0.2"])
    assert [row.n for row in direct.rows] == [1, 1]


def test_each_cell_of_a_sweep_has_its_own_choice(tmp_path: Path) -> None:
    chosen = []
    for size, lr in ((8, 0.05), (64, 0.1)):
        entry = {"label": "BN", "cell": {"train.batch_size": size}, "values": {LR: lr}, "on_edge": []}
        chosen.append(entry | {"norm": {"kind": "bn"}, "val_accuracy": None})
        changes = {"config__train__batch_size": size, "config__train__optimizer__lr": lr}
        write_run(tmp_path, make_record("bn", run_id=f"bn-{size}", **changes))
    (tmp_path / "default" / "tuning.json").write_text(json.dumps(tuning(chosen=chosen)))
    comparison, notes = compare_folder(tmp_path, options=Options(by="train.batch_size"))
    assert comparison.recipe[LR] == "as tuned"
    assert notes == []
    stated = " ".join(grid_table(comparison).notes)
    assert "BN at train.batch_size 8 train.optimizer.lr 0.05; BN at train.batch_size 64" in stated


def test_another_value_than_the_chosen_is_another_set(results: Path) -> None:
    write_run(results, make_record("gn", 7, config__train__optimizer__lr=0.2))
    found = comparisons([results])
    assert sorted((row.num_runs, row.apart) for row in found.overview) == [(1, ("lr 0.2",)), (4, ("lr as tuned",))]


def test_without_a_tuning_the_same_runs_are_two_sets(results: Path) -> None:
    (results / "default" / "tuning.json").unlink()
    assert sorted(row.apart for row in comparisons([results]).overview) == [("lr 0.05",), ("lr 0.1",)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "not valid JSON"),
        ("[]", "no schema_version"),
        (json.dumps(tuning(budget="8")), "budget: expected a whole number"),
        (json.dumps(tuning(grid={LR: 0.1})), r"grid\.train\.optimizer\.lr: expected a list"),
        (json.dumps(tuning(chosen=[{"label": "BN"}])), r"chosen\.0\.values is missing"),
        (
            json.dumps(tuning(chosen=[{"label": "BN", "values": {}, "on_edge": [[]]}])),
            r"chosen\.0\.on_edge: expected a list of text",
        ),
        (json.dumps(tuning(schema_version=2)), "a newer normbench wrote it"),
    ],
)
def test_a_damaged_tuning_is_named(results: Path, text: str, found: str) -> None:
    (results / "default" / "tuning.json").write_text(text)
    shown = comparisons([results])
    assert len(shown.shown) == 2
    assert any(re.search(rf"left out: .*tuning\.json: .*{found}", note) for note in shown.notes)
    with pytest.raises(ConfigError, match=r"(?s)optimizer\.lr: 0\.1 \(2 runs\).*tuning\.json: "):
        comparisons([results], options=Options(strict=True))

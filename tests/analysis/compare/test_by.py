"""Norms along one more key."""

import pytest

from normbench.analysis.compare.compare import Options
from normbench.errors import ConfigError
from normbench.present.tables.answers import answer_notes
from normbench.present.tables.grid import grid_table
from normbench.present.tables.pairs import pairs_table
from tests.records import compare_records, make_diverged, make_record, sets_of


def batch_sizes(**changes: object) -> list[dict]:
    return [
        make_record(
            kind,
            seed,
            0.8 + (seed / 1000 - 0.1 / size if kind == "bn" else seed / 500),
            config__train__batch_size=size,
            run_id=f"{kind}-{seed}-{size}",
            **changes,
        )
        for size in (64, 2, 16)
        for kind in ("bn", "gn")
        for seed in range(2)
    ]


def test_a_cell_a_norm_and_value_in_ascending_order() -> None:
    comparison, notes = compare_records(batch_sizes(), Options(by="train.batch_size"))
    grid = comparison.grid
    assert grid is not None
    assert (grid.key, grid.labels, grid.values) == ("train.batch_size", ("BN", "GN(4)"), (2, 16, 64))
    assert [(row.label, row.by, row.seeds) for row in comparison.rows] == [
        (label, size, (0, 1)) for label in ("BN", "GN(4)") for size in (2, 16, 64)
    ]
    assert grid.cells["BN", 2].mean == pytest.approx(0.7505)
    assert grid.cells["GN(4)", 64].n == 2
    assert "train.batch_size" not in comparison.recipe
    assert notes == []


def test_norms_are_compared_within_each_value_and_adjusted_over_all() -> None:
    comparison, _ = compare_records(batch_sizes(), Options(by="train.batch_size"))
    assert [(pair.by, pair.a, pair.b) for pair in comparison.pairs] == [(size, "GN(4)", "BN") for size in (2, 16, 64)]
    smallest = min(comparison.pairs, key=lambda pair: pair.difference.p_value)
    assert smallest.p_adjusted == pytest.approx(3 * smallest.difference.p_value)
    table = pairs_table(comparison)
    assert table.rows[0][0] == "GN(4) - BN at 2"
    assert table.records[0]["train.batch_size"] == 2


def test_the_table_shows_n_and_diverged_runs_in_each_cell() -> None:
    records = batch_sizes()
    records[4] = make_diverged("bn", 0, config__train__batch_size=2, run_id="x")
    comparison, _ = compare_records(records, Options(by="train.batch_size"))
    table = grid_table(comparison)
    assert table.columns == ("Norm", "2", "16", "64")
    assert table.rows[0][1] == ("75.10", "n=1", "+1", "div.")
    assert [record["diverged"] for record in table.records if (record["norm"], record["value"]) == ("BN", 2)] == [1]


def test_a_short_key_is_understood_and_an_unknown_answered() -> None:
    comparison, _ = compare_records([make_record("bn"), make_record("gn")], Options(by="train.lr"))
    assert comparison.grid is not None
    assert comparison.grid.key == "train.optimizer.lr"
    with pytest.raises(ConfigError, match=r"did you mean 'train\.batch_size'"):
        compare_records([make_record("bn")], Options(by="train.batchsize"))
    with pytest.raises(ConfigError, match="norms are the rows already"):
        compare_records([make_record("bn")], Options(by="seed"))


def test_what_follows_the_key_is_named_and_what_differs_at_one_value_is_another_set() -> None:
    scaled = [record | {"config": _with_lr(record)} for record in batch_sizes()]
    comparison, _ = compare_records(scaled, Options(by="train.batch_size"))
    (sentence,) = comparison.differs
    assert "train.optimizer.lr: 0.02 at 2, 0.16 at 16, 0.64 at 64" in sentence
    assert "train.optimizer.lr" not in comparison.recipe
    elsewhere = make_record("bn", 5, config__train__batch_size=64, experiment="other")
    assert [len(found.recipes) for found in sets_of([*scaled, elsewhere], "train.batch_size")] == [3, 1]


def _with_lr(record: dict) -> dict:
    train = record["config"]["train"]
    optimizer = train["optimizer"] | {"lr": train["batch_size"] / 100}
    return record["config"] | {"train": train | {"optimizer": optimizer}}


def test_along_groups_the_norm_is_gn_and_others_stand_beside() -> None:
    records = [
        make_record("gn", seed, 0.8, label=f"GN({number})", config__norm={"kind": "gn", "num_groups": number})
        for number in (16, 1, 4)
        for seed in range(2)
    ]
    comparison, _ = compare_records([*records, make_record("bn")], Options(by="norm.num_groups"))
    grid = comparison.grid
    assert grid is not None
    assert (grid.labels, grid.values) == (("BN", "GN"), (1, 4, 16, None))
    assert grid.cells["GN", 16].n == 2
    assert ("BN", 1) not in grid.cells
    assert grid_table(comparison).columns[-1] == "not set"
    assert [(pair.a, pair.b) for pair in comparison.pairs] == [("GN(1)", "BN"), ("GN(4)", "BN"), ("GN(16)", "BN")]


def test_a_value_without_the_baseline_says_so() -> None:
    records = [record for record in batch_sizes() if (record["label"], _size(record)) != ("BN", 2)]
    comparison, _ = compare_records(records, Options(by="train.batch_size"))
    assert [pair.by for pair in comparison.pairs] == [16, 64]
    assert "No BN to compare with at batch size 2." in answer_notes(comparison)


def _size(record: dict) -> int:
    return record["config"]["train"]["batch_size"]


@pytest.mark.parametrize(
    "other",
    [{"split": "val"}, {"data__fingerprint": "cd" * 32}, {"data__num_train": 400}, {"data__num_eval": 1000}],
    ids=lambda other: next(iter(other)),
)
def test_different_images_are_never_in_one_table(other: dict) -> None:
    records = [make_record("bn"), make_record("bn", config__train__batch_size=8, **other)]
    assert len(sets_of(records, "train.batch_size")) == 2
    with pytest.raises(ConfigError, match="side by side"):
        sets_of(records, "data.fingerprint")

"""The cells of a sweep, and the entries of `exclude`."""

from itertools import product
from pathlib import Path

import pytest

from tests.config_fakes import experiment_errors_of, experiment_text

TWO = "sweep: {norm: [bn, gn], train.batch_size: [2, 8]}\n"


@pytest.mark.parametrize(
    ("entry", "left_out"),
    [
        ("{norm: bn, train.batch_size: 2}", [("bn", 2)]),
        ("{norm: gn}", [("gn", 2), ("gn", 8)]),
        ("{norm.kind: gn, train.batch_size: 8}", [("gn", 8)]),
        ("{norm: {kind: gn, num_groups: 4}}", [("gn", 2), ("gn", 8)]),  # by its default
        ("{norm.num_groups: 4}", [("gn", 2), ("gn", 8)]),
        ("{norm: {eps: 1e-5}, train.batch_size: 2}", [("bn", 2), ("gn", 2)]),
    ],
)
def test_a_cell_that_fits_all_of_an_entry_is_left_out(
    tmp_path: Path, entry: str, left_out: list[tuple[str, int]]
) -> None:
    text = f"seeds: [0, 1]\nsweep: {{norm: [bn, gn], train.batch_size: [2, 8]}}\nexclude:\n  - {entry}"
    experiment = experiment_text(tmp_path, text)
    found = {(run.norm.name, run.train.batch_size) for run in experiment.runs}
    assert found == set(product(("bn", "gn"), (2, 8))) - set(left_out)
    assert experiment.num_excluded == 2 * len(left_out)
    assert len(experiment.runs) == 8 - experiment.num_excluded


def test_what_is_excluded_need_not_be_possible(tmp_path: Path) -> None:
    text = "sweep: {norm: [none, gn], norm.num_groups: [2, 4]}\nexclude: [{norm: none}]"
    found = [run.norm.options["num_groups"] for run in experiment_text(tmp_path, text).runs]
    assert found == [2, 4]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("exclude: {norm: bn}", "exclude: must be a list of mappings, such as [{norm: bn, train.batch_size: 2}]"),
        ("exclude: [bn]", "exclude: must be a list of mappings"),
        ("exclude: [{}]", "exclude: must be a list of mappings"),
        ("exclude: [{norm: bm}]", "exclude: no cell has norm: 'bm'; known: 'bn', 'gn'"),
        ("exclude: [{norm: bn, train.batch_size: 4}]", "exclude: no cell has train.batch_size: 4; known: 2, 8"),
        ("exclude: [{train.batch_size: true}]", "exclude: no cell has train.batch_size: true; known: 2, 8"),
        ("exclude: [{norm: {kind: gn, num_groups: 8}}]", "exclude: no cell of the sweep fits all of this entry"),
        ("exclude: [{norm.num_groups: 4, norm: bn}]", "exclude: no cell of the sweep fits all of this entry"),
        ("exclude: [{train.epochs: 20}]", "exclude.train.epochs: is not swept, so no cell differs in it; swept: norm,"),
        ("exclude: [{seeds: 0}]", "exclude.seeds: is not swept, so no cell differs in it"),
        ("exclude: [{norm: bn}, {norm: gn}]", "exclude: leaves no cell of the sweep to train"),
        (f"exclude: [{'{norm: bn}, ' * 501}]", "exclude: has 501 entries, 500 are allowed"),
    ],
)
def test_a_wrong_entry_of_exclude_is_one_sentence(tmp_path: Path, entry: str, expected: str) -> None:
    (message,) = experiment_errors_of(tmp_path, TWO + entry)
    assert message.startswith(f"my.yaml, line 2: {expected}")


def test_exclude_without_a_sweep(tmp_path: Path) -> None:
    (message,) = experiment_errors_of(tmp_path, "exclude: [{norm: bn}]")
    assert message == "my.yaml, line 1: exclude.norm: is not swept, so no cell differs in it; swept: nothing"

"""From run folders to a comparison: what is averaged, what is refused, what is named."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from normbench.analysis.compare.compare import compare
from normbench.analysis.compare.load import compare_runs
from normbench.analysis.compare.select import select
from normbench.errors import ConfigError
from tests.records import as_runs, compare_records, make_diverged, make_record, write_run


def test_a_row_a_norm_in_the_usual_order() -> None:
    many_groups = make_record("gn", label="GN(16)", config__norm={"kind": "gn", "num_groups": 16})
    records = [make_record(kind) for kind in ("zz", "none", "ln", "gn", "in", "bn")]
    comparison, notes = compare_records([many_groups, *records])
    assert [row.label for row in comparison.rows] == ["BN", "GN(4)", "GN(16)", "LN", "IN", "ZZ", "none"]
    assert notes == []


def test_metrics_are_averaged_over_seeds() -> None:
    times = (10.0, 11.0, 30.0)
    accuracies = (0.80, 0.79, 0.81)
    records = [
        make_record("bn", seed, accuracy, timing__train_s_per_epoch=time)
        for seed, (accuracy, time) in enumerate(zip(accuracies, times, strict=True))
    ]
    comparison, _ = compare_records(records)
    (row,) = comparison.rows
    assert (row.n, row.seeds, row.num_parameters, row.train_s_per_epoch) == (3, (0, 1, 2), 40_394, 11.0)
    assert row.metrics["test_accuracy"].mean == pytest.approx(0.80)
    assert row.metrics["test_accuracy"].std == pytest.approx(0.01)
    assert row.metrics["test_errors"].mean == pytest.approx(2000)


def test_val_runs_are_compared_as_val() -> None:
    comparison, _ = compare_records([make_record("bn", split="val")])
    assert comparison.split == "val"
    assert "val_accuracy" in comparison.rows[0].metrics


@pytest.mark.parametrize(
    "changes",
    [
        {"experiment": "copy"},
        {"config__data__dir": "/elsewhere"},
        {"config__data__urls": ["https://example.org/a"]},
        {"config__budget": {"max_parameters": None, "max_epochs": None}},
        {"config__train__precision": "bf16"},
    ],
)
def test_what_does_not_change_the_training_may_differ(changes: dict) -> None:
    comparison, notes = compare_records([make_record("bn", 0), make_record("gn", 0, **changes)])
    assert len(comparison.rows) == 2
    assert notes == []


def test_a_diverged_run_is_counted_and_not_averaged() -> None:
    comparison, notes = compare_records([make_record("bn", 0, 0.8), make_diverged("bn", 1), make_diverged("gn", 0)])
    bn, gn = comparison.rows
    assert (bn.n, bn.diverged_seeds, bn.metrics["test_accuracy"].mean) == (1, (1,), 0.8)
    assert (gn.n, gn.diverged_seeds, gn.metrics["test_accuracy"].mean) == (0, (0,), None)
    assert notes[0] == "diverged: BN seed 1 in epoch 3, loss nan; counted, not averaged"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"config__train__batch_size": 8}, "train.batch_size: 64 (2 runs), 8 (1 run)"),
        ({"config__train__optimizer": {"name": "muon"}}, "train.optimizer.lr: 0.1 (2 runs), not set (1 run)"),
        ({"config__data__augment": []}, "pixels: 2}] (2 runs), [] (1 run)"),
        ({"data__fingerprint": "cd" * 32}, "data.fingerprint: abababab (2 runs), cdcdcdcd (1 run)"),
        ({"split": "val"}, "data.evaluate_on: test (2 runs), val (1 run)"),
    ],
)
def test_runs_that_differ_in_more_are_refused_and_the_way_out_works(changes: dict, line: str) -> None:
    records = [make_record("bn"), make_record("gn"), make_record("ln", **changes)]
    with pytest.raises(ConfigError) as caught:
        compare_records(records)
    message = str(caught.value)
    assert line in message
    words = shlex.split(message.splitlines()[-1])
    where = words[words.index("--where") + 1].removesuffix(",")
    comparison, _ = compare(select(as_runs(records), [where]))
    assert [row.label for row in comparison.rows] == ["BN", "GN(4)"]


def test_two_experiments_are_told_apart_by_name() -> None:
    records = [make_record("bn"), make_record("bn", experiment="reference", config__train__batch_size=32)]
    with pytest.raises(ConfigError) as caught:
        compare_records(records)
    message = str(caught.value)
    assert "experiment: default (1 run), reference (1 run)" in message
    assert "--experiment default or --experiment reference" in message
    comparison, _ = compare(select(as_runs(records), ["experiment=reference"]))
    assert comparison.experiments == ("reference",)


def test_another_environment_is_noted_with_the_norms_it_was_used_for() -> None:
    _, notes = compare_records([make_record("bn"), make_record("gn", precision="fp32", environment__torch="2.14.0")])
    (note,) = notes
    assert "precision: bf16 (BN), fp32 (GN(4))" in note
    assert "environment.torch: 2.15.0 (BN), 2.14.0 (GN(4))" in note


def test_of_two_equal_runs_the_newest_counts_and_is_named() -> None:
    old = make_record("bn", 0, 0.5, finished_at="2026-01-01T00:00:00+00:00")
    new = make_record("bn", 0, 0.8, finished_at="2026-01-01T01:00:00+02:00", experiment="copy")
    newest = make_record("bn", 0, 0.9, finished_at="2026-01-01T00:00:01+00:00", precision="fp32")
    comparison, notes = compare_records([old, newest, new])
    assert (comparison.rows[0].n, comparison.rows[0].metrics["test_accuracy"].mean) == (1, 0.9)
    (note,) = notes
    assert note.startswith("duplicates: BN seed 0 was run 3 times (default/bn-s0-1a2b3c4d,")
    assert "they differ in precision" in note


def test_one_label_over_two_networks_is_noted() -> None:
    _, notes = compare_records([make_record("gn", 0), make_record("gn", 1, model__norm_layers={"BatchNorm2d": 8})])
    assert "GN(4): its runs trained different networks" in notes[0]
    assert "8 BatchNorm2d" in notes[0]


@pytest.mark.parametrize(
    ("where", "seeds"),
    [
        (["seed=1"], [1]),
        (["norm.kind=bn", "seed=0", "seed=2"], [0, 2]),
        (["train.batch_size=64", "train.lr=1e-1"], [0, 1, 2]),
        (["data.fingerprint=abab"], [0, 1, 2]),
        (["train.optimizer.nesterov=true"], [0, 1, 2]),
        (["git_commit=null"], [0, 1, 2]),
    ],
)
def test_select(where: list[str], seeds: list[int]) -> None:
    records = [make_record("bn", seed) for seed in range(3)]
    assert [run.record.seed for run in select(as_runs(records), where)] == seeds


def test_select_says_what_there_is() -> None:
    records = as_runs(make_record("bn", seed) for seed in range(3))
    with pytest.raises(ConfigError, match=r"did you mean 'train\.batch_size'"):
        select(records, ["train.batchsize=64"])
    with pytest.raises(ConfigError, match=r"no run has train\.batch_size=8; found: 64 \(3 runs\)"):
        select(records, ["train.batch_size=8"])
    with pytest.raises(ConfigError, match="expected key=value"):
        select(records, ["seed"])


def test_folders_without_a_good_record_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, make_record("bn"))
    damaged = write_run(tmp_path, make_record("gn"))
    (damaged / "run.json").write_text("{")
    for name, config in (("half", "name: x\nnorm: gn\ntrain: {}\nseeds: [0]\n"), ("hydra", "lr: 1\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(config)
    (tmp_path / "junk\x1b").mkdir()
    comparison, notes = compare_runs([tmp_path])
    assert [row.label for row in comparison.rows] == ["BN"]
    unfinished, broken, foreign = notes
    assert unfinished.startswith(f"unfinished, left out: 1 run: {tmp_path / 'half'};")
    assert f"{damaged / 'run.json'}: not valid JSON" in broken
    assert "hydra" in foreign
    assert "junk\\x1b" in foreign
    assert foreign.isprintable()


def test_no_run_at_all_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no finished run in .*normbench train"):
        compare_runs([tmp_path])


def test_many_bad_folders_do_not_bury_the_table(tmp_path: Path) -> None:
    write_run(tmp_path, make_record("bn"))
    for number in range(20):
        (tmp_path / f"x{number}").mkdir()
        (tmp_path / f"x{number}" / "run.json").write_text("{")
    _, notes = compare_runs([tmp_path])
    assert len(notes) == 6
    assert notes[-1] == "left out: 15 more records that cannot be read"


def test_a_thousand_runs_are_compared_without_torch(tmp_path: Path) -> None:
    for number in range(1000):
        kind = ("bn", "gn", "ln", "none")[number % 4]
        write_run(tmp_path, make_record(kind, number, run_id=f"run-{number}"))
    code = (
        "import sys; from pathlib import Path; from rich.console import Console\n"
        "from normbench.analysis.compare.load import compare_runs\n"
        "from normbench.present.tables.norms import comparison_table\n"
        "from normbench.present.tables.table import render\n"
        "comparison, notes = compare_runs([Path(sys.argv[1])])\n"
        "render(comparison_table(comparison), 'table', Console())\n"
        "assert [row.n for row in comparison.rows] == [250] * 4, comparison.rows\n"
        "loaded = {'torch', 'matplotlib', 'scipy.stats'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert "GN(4)" in done.stdout

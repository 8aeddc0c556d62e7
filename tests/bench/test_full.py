"""What `bench --full` measures and checks, on the CPU."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from normbench.bench.full import (
    EAGER,
    RECORDED,
    CompiledTimings,
    FullBench,
    FullPlan,
    VariantTimings,
    WholeRuns,
    run_stages,
)
from normbench.bench.result import Timing
from normbench.bench.run import Answer, left_out_notes, run_bench
from normbench.config import load_config
from normbench.kernels.library import library
from normbench.present.tables.bench_full import full_tables
from normbench.runs.registries import REGISTRIES
from normbench.train.machine import Machine


def test_it_measures_steps_seeds_and_runs_and_checks_them(images: Path) -> None:
    settings = {
        "data.source": "folder",
        "data.dir": str(images),
        "norm.kind": "gn",
        "train.batch_size": 16,
        "train.epochs": 1,
        "train.precision": "fp32",
    }
    config = load_config(None, REGISTRIES, [(key, value, "") for key, value in settings.items()])
    plan = FullPlan(rounds=2, steps=1, seeds=3, warm_up=1)
    kept: list[Answer] = []
    answer = run_bench([config], "default", Machine(torch.device("cpu"), threads=1), plan, bar=False, keep=kept.append)
    assert [list(full_tables(each.measured, "")) for each in kept] == [
        ["steps", "seeds"],
        ["steps", "seeds", "runs"],
        *[["steps", "seeds", "runs", "checks"]] * 2,
    ]
    assert kept[-1] == answer
    kernels = library()
    cpu = f"cpu ({kernels.level})" if kernels else "cpu"
    assert answer.setting == f"{cpu}, 1 thread, fp32, batch 16, 2 rounds of 1 step"
    assert (answer.head["rounds"], answer.head["precision"]) == (2, "fp32")
    assert isinstance(answer.measured, FullBench)
    found = {name: table.records for name, table in full_tables(answer.measured, answer.setting).items()}
    assert [row["label"] for row in found["steps"]] == ["GN(4)"]
    for row in found["steps"]:
        assert row["times_low"] <= row["times"] <= row["times_high"]
        assert row["eager_ms"] > 0 < row["recorded_ms"]
    assert [(row["label"], row["way"], row["seeds"]) for row in found["seeds"]] == [
        ("GN(4)", way, 3) for way in ("lanes", "wide")
    ]
    assert [(row["is_projected"], row["epochs"]) for row in found["runs"]] == [(False, 1)] * 2
    assert all(row["seconds"] > row["last_epoch_s"] > 0 for row in found["runs"])
    assert all(0 <= row["accuracy"] <= 1 for row in found["runs"])
    assert len(found["checks"]) == 1 + 4 + 2
    assert all(row["agrees"] for row in found["checks"])
    exact = [row["difference"] for row in found["checks"] if row["what"].startswith("lanes")]
    assert exact == [0.0] * 3


def timing(step_ms: float, seeds: int) -> tuple[Timing, ...]:
    """Of one round."""
    return (Timing(10, 10 * 128 * seeds, 10 * step_ms / 1e3),)


def test_the_ratio_counts_seeds_and_the_projection_follows_the_steps() -> None:
    def timings(label: str, eager_ms: float, wide_ms: float) -> VariantTimings:
        own = {EAGER: timing(eager_ms, 1), RECORDED: timing(1, 1), "lanes": timing(3, 10), "wide": timing(wide_ms, 10)}
        return VariantTimings(label, 10, own)

    measured = FullBench(
        epochs=20,
        norms=(timings("BN", 5, 2), timings("GN(4)", 6, 4)),
        runs=(WholeRuns("one run", 4, 2, 1, (0.8,)), WholeRuns("10 seeds, wide", 12, 2, 0.5, (0.7, 0.9))),
    )
    compiled = CompiledTimings("BN", "one run", timing(1, 1), timing(0.5, 1), first_s=40)
    (row,) = full_tables(replace(measured, compiled=(compiled,)), "cuda")["compiled"].records
    assert (row["recorded_ms"], row["compiled_ms"], row["first_s"]) == (pytest.approx(1), pytest.approx(0.5), 40)
    assert row["times"] == pytest.approx(2)
    assert measured.norms[0].times_eager(RECORDED).median == pytest.approx(5)
    assert measured.norms[0].times_eager("wide").median == pytest.approx(25)
    assert measured.norms[1].fastest_way == "lanes"
    assert measured.all_s == pytest.approx((12 + 18 * 0.5) * (1 + 3 / 2))
    runs = full_tables(measured, "cuda")["runs"]
    assert [row[1:] for row in runs.rows] == [
        ("2", "4.0", "80.00"),
        ("2", "12.0", "80.00"),
        ("20", "22.0", "-"),
        ("20", "21.0", "-"),
        ("20", "52.5", "-"),
    ]


def test_no_stage_begins_after_the_limit_and_what_is_left_out_is_named() -> None:
    clock = iter([0.0, 5.0, 50.0, 101.0])
    stages = [
        (name, lambda full: replace(full, epochs=full.epochs + 1)) for name in ("steps", "runs", "images", "checks")
    ]
    known = list(run_stages(stages, FullBench(epochs=0), 100, lambda: next(clock)))
    assert [full.epochs for full in known] == [1, 2, 2]
    assert known[-1].left_out == ("images", "checks")
    assert left_out_notes((), 100) == ()
    (note,) = left_out_notes(known[-1].left_out, 100)
    assert "after 100 s" in note
    assert "images; checks" in note

"""What `bench --full` measures and checks, on the CPU."""

from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from normbench.bench.full import EAGER, RECORDED, FullBench, FullPlan, VariantTimings, WholeRuns
from normbench.bench.result import Timing
from normbench.bench.run import run_bench
from normbench.config import load_config
from normbench.kernels.library import library
from normbench.present.tables.bench_full import full_tables
from normbench.runs.registries import REGISTRIES
from normbench.train.machine import Machine


def test_it_measures_steps_seeds_and_runs_and_checks_them(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []  # whole runs are timed without pictures
    monkeypatch.setattr(Figure, "savefig", lambda figure, *arguments, **options: drawn.append(figure))
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
    answer = run_bench([config], "default", Machine(torch.device("cpu"), threads=1), plan, bar=False)
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
    assert [row["is_projected"] for row in found["runs"]] == [False, False, True]
    assert all(row["seconds"] > 0 for row in found["runs"])
    assert not drawn
    assert all(0 <= row["accuracy"] <= 1 for row in found["runs"][:2])
    assert len(found["checks"]) == 1 + 4 + 2
    assert all(row["agrees"] for row in found["checks"])
    exact = [row["difference"] for row in found["checks"] if row["what"].startswith("lanes")]
    assert exact == [0.0] * 3


def test_the_ratio_counts_seeds_and_the_projection_follows_the_steps() -> None:
    def timings(label: str, eager_ms: float, wide_ms: float) -> VariantTimings:
        def timing(step_ms: float, seeds: int) -> tuple[Timing, ...]:
            return (Timing(10, 10 * 128 * seeds, 10 * step_ms / 1e3),)

        own = {EAGER: timing(eager_ms, 1), RECORDED: timing(1, 1), "lanes": timing(3, 10), "wide": timing(wide_ms, 10)}
        return VariantTimings(label, 10, own)

    measured = FullBench(
        norms=(timings("BN", 5, 2), timings("GN(4)", 6, 4)),
        one=WholeRuns("one run", 4, (0.8,)),
        group=WholeRuns("10 seeds, wide", 12, (0.7, 0.9)),
        epochs=20,
        checks=(),
    )
    assert measured.norms[0].times_eager(RECORDED).median == pytest.approx(5)
    assert measured.norms[0].times_eager("wide").median == pytest.approx(25)
    assert measured.norms[1].fastest_way == "lanes"
    assert measured.all_s == pytest.approx(12 * (1 + 3 / 2))
    tables = full_tables(measured, "cuda")
    assert [row[-1] for row in tables["seeds"].rows] == ["no", "yes", "yes", "no"]
    assert tables["runs"].rows[1][1:] == ("12.0", "80.00")

"""`normbench bench --full`: refused without a GPU; on the CPU, where it is let in for the test, it measures it all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from normbench.bench import agreement, full
from normbench.bench.agreement import Check, check_fp32, check_images, check_together
from normbench.bench.full import EAGER, RECORDED, Full, NormTimes
from normbench.bench.result import Lap
from normbench.cli import bench as cli_bench
from normbench.config import load_config
from normbench.data import Split, load_dataset
from normbench.data.batches import arrange
from normbench.errors import ConfigError, RunError
from normbench.present.tables.bench_full import full_tables
from normbench.runs.build import REGISTRIES
from tests.tiny import invoke, make_folder

CPU = torch.device("cpu")


def test_without_a_gpu_it_is_one_sentence() -> None:
    result = invoke("bench", "--full")
    assert isinstance(result.exception, ConfigError)
    assert result.exception.exit_code == 2
    assert "run it on a machine with CUDA" in str(result.exception)
    result = invoke("bench", "--full", "--device", "cuda")
    assert isinstance(result.exception, ConfigError)
    assert "no CUDA device" in str(result.exception)


@pytest.fixture
def on_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The command on tiny images, with the CPU in place of the GPU and three seeds."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    images = make_folder(tmp_path / "images")
    monkeypatch.setattr(cli_bench, "_is_gpu", lambda plan: True)
    monkeypatch.setattr(cli_bench, "FULL_SEEDS", 3)
    monkeypatch.setattr(full, "WARM_UP", 1)
    return [
        *("bench", "--full", "--device", "cpu", "--norm", "gn", "--rounds", 2, "--steps", 1),
        *("--batch-size", 16, "--set", "train.epochs=1", "--set", "train.precision=fp32", "--threads", 1),
        *("--data", "folder", "--data-dir", images),
    ]


def test_it_measures_steps_seeds_and_runs_and_checks_them(on_cpu: list[object], tmp_path: Path) -> None:
    output = tmp_path / "full.json"
    result = invoke(*on_cpu, "--format", "json", "--output", output)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads(output.read_text())
    assert [row["label"] for row in found["steps"]] == ["GN(4)"]
    for row in found["steps"]:
        assert row["times_low"] <= row["times"] <= row["times_high"]
        assert row["eager_ms"] > 0 < row["recorded_ms"]
    assert [(row["label"], row["way"], row["seeds"]) for row in found["seeds"]] == [
        ("GN(4)", way, 3) for way in ("lanes", "wide")
    ]
    assert [row["is_projected"] for row in found["runs"]] == [False, False, True]
    assert all(row["seconds"] > 0 for row in found["runs"])
    assert all(0 <= row["accuracy"] <= 1 for row in found["runs"][:2])
    assert len(found["checks"]) == 1 + 4 + 2
    assert all(row["agrees"] for row in found["checks"])
    exact = [row["difference"] for row in found["checks"] if row["what"].startswith("lanes")]
    assert exact == [0.0] * 3


def test_a_device_that_computes_something_else_is_an_error(
    on_cpu: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full, "check_images", lambda *arguments: Check("images", "all norms", 0.5, 0.0))
    monkeypatch.setattr(full, "check_together", lambda *arguments: [])
    result = invoke(*on_cpu)
    assert isinstance(result.exception, RunError)
    assert "1 of 5 checks do not agree" in str(result.exception)
    assert "images" in result.stdout


@pytest.mark.parametrize("value", [0.2, float("nan")])
def test_a_check_fails_beyond_what_is_allowed_and_for_no_number(value: float) -> None:
    assert not Check("loss", "BN", value, 0.1).agrees
    assert Check("loss", "BN", 0.1, 0.1).agrees


def flipped(split: Split) -> Split:
    return Split(split.images.flip(3), split.labels)


def test_other_gradients_or_images_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks are worth something: what trains differently does not agree."""
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    images = make_folder(tmp_path / "images", num_train=32)
    settings = {"data.source": "folder", "data.dir": str(images), "train.batch_size": 16, "train.epochs": 1}
    config = load_config("default", REGISTRIES, [(key, value, "") for key, value in settings.items()])
    dataset = load_dataset(config.data)
    seeds = [config.for_seed(seed) for seed in range(4)]
    monkeypatch.setattr(agreement, "CONFIDENCE", 0.9)  # of the ten seeds of the command, 0.999 finds as much
    assert check_images(config, dataset, CPU).difference == 0

    def uphill(networks: Any, setting: Any) -> Any:
        run = agreement.WAYS["lanes"](networks, setting)

        def other(images: Any, labels: Any) -> Any:
            found = run(images, labels)
            for network in networks:
                for parameter in network.parameters():
                    parameter.grad.neg_()
            return found

        return other

    with monkeypatch.context() as patched:
        patched.setattr("normbench.train.lockstep.WAYS", {"lanes": agreement.WAYS["lanes"], "wide": uphill})
        assert [check.agrees for check in check_fp32(seeds, dataset, CPU)] == [True, True, False, False]
        found = list(check_together(seeds, dataset, CPU, "fp32", 4))
        assert [check.agrees for check in found] == [True, False]
    assert all(check.agrees for check in check_together(seeds, dataset, CPU, "fp32", 4))
    with monkeypatch.context() as patched:
        mirrored = iter([False, True])
        patched.setattr(agreement, "arrange", lambda *a: flipped(arrange(*a)) if next(mirrored) else arrange(*a))
        assert check_images(config, dataset, CPU).difference > 0.9


def test_the_ratio_counts_seeds_and_the_projection_follows_the_steps() -> None:
    def times(label: str, eager_ms: float, wide_ms: float) -> NormTimes:
        def lap(step_ms: float, seeds: int) -> tuple[Lap, ...]:
            return (Lap(10, 10 * 128 * seeds, 10 * step_ms / 1e3),)

        own = {EAGER: lap(eager_ms, 1), RECORDED: lap(1, 1), "lanes": lap(3, 10), "wide": lap(wide_ms, 10)}
        return NormTimes(label, 10, own)

    measured = Full([times("BN", 5, 2), times("GN(4)", 6, 4)], one_s=4, group_s=12, epochs=20)
    measured.accuracies = {"one run": [0.8], "10 seeds, wide": [0.7, 0.9]}
    assert measured.norms[0].times_eager(RECORDED).median == pytest.approx(5)
    assert measured.norms[0].times_eager("wide").median == pytest.approx(25)
    assert measured.norms[1].fastest_way == "lanes"
    assert measured.all_s == pytest.approx(12 * (1 + 3 / 2))
    tables = full_tables(measured, "cuda")
    assert [row[-1] for row in tables["seeds"].rows] == ["no", "yes", "yes", "no"]
    assert tables["runs"].rows[1][1:] == ("12.0", "80.00")

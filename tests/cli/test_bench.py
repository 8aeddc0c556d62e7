"""`normbench bench` through the entry point: tiny images, few steps, real processes."""

import json
from pathlib import Path
from typing import Any

import pytest

from normbench.errors import ConfigError
from tests.tiny import invoke

ROUNDS, STEPS = 2, 2


@pytest.fixture(scope="module")
def answer(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], str]:
    """JSON from stdout, JSON from the file, and stderr, of one bench of gn, against and beside others."""
    output = tmp_path_factory.mktemp("bench") / "bench.json"
    result = invoke(
        *("bench", "--norm", "gn", "--set", "norm.num_groups=8", "--against", "plain", "--busy", 1),
        *(
            "--device",
            "cpu",
            "--rounds",
            ROUNDS,
            "--steps",
            STEPS,
            "--threads",
            1,
            "--batch-size",
            16,
            "--set",
            "train.precision=fp32",
        ),
        *("--data", "folder", "--data-dir", images, "--format", "json", "--output", output),
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), json.loads(output.read_text()), result.stderr


def test_the_file_holds_what_is_printed(answer: Any) -> None:
    printed, written, stderr = answer
    assert written == printed
    assert "round 2 of 2" in stderr


def test_the_head_says_what_was_measured(answer: Any, images: Path) -> None:
    found, _, _ = answer
    assert found["schema_version"] == 1
    assert (found["config"], found["data"]) == ("default", images.name)
    assert (found["device"], found["precision"]) == ("cpu", "fp32")
    assert (found["rounds"], found["steps_per_round"], found["batch_size"]) == (ROUNDS, STEPS, 16)
    assert found["environment"]["threads"] == 1
    assert found["environment"]["torch"]


def test_the_numbers_fit_together(answer: Any) -> None:
    found, _, _ = answer
    assert [row["label"] for row in found["norms"]] == ["none", "GN(8)"]
    rounds = {(row["loop"], row["norm"], row["round"]): row for row in found["laps"]}
    assert set(rounds) == {
        (*who, number)
        for who in (("normbench", "none"), ("normbench", "gn"), ("plain", "gn"), ("busy", "gn"))
        for number in (1, 2)
    }
    for row in rounds.values():
        assert row["images_per_s"] == pytest.approx(16_000 / row["step_ms"])
    ceilings = {row["ceiling"]: row for row in found["machine"]}
    for row in found["norms"]:
        parts = [row[f"{name}_ms"] for name in ("data", "forward", "backward", "optimizer", "other")]
        assert all(part > 0 for part in parts)
        fastest = min(rounds["normbench", row["norm"], number]["step_ms"] for number in (1, 2))
        assert sum(parts) <= fastest == row["step_ms_low"] <= row["step_ms"] <= row["step_ms_high"]
        operations, peak = 6 * row["macs"] * 16_000 / 1e9, ceilings["matrix product fp32"]
        assert operations / row["step_ms_high"] / peak["value_high"] * 0.999 < row["share_of_peak_low"]
        assert row["share_of_peak_low"] <= row["share_of_peak"] <= row["share_of_peak_high"]
        assert row["share_of_peak_high"] < operations / row["step_ms_low"] / peak["value_low"] * 1.001
        assert row["peak_memory_bytes"] > 100 * 2**20

    none, gn = found["norms"]
    assert none["tax_ms"] is none["tax"] is None
    taxes = [
        rounds["normbench", "gn", number]["step_ms"] / rounds["normbench", "none", number]["step_ms"] - 1
        for number in (1, 2)
    ]
    assert (gn["tax_low"], gn["tax"], gn["tax_high"]) == pytest.approx((min(taxes), sum(taxes) / 2, max(taxes)))
    (plain,) = found["plain"]
    ratios = [
        rounds["normbench", "gn", number]["images_per_s"] / rounds["plain", "gn", number]["images_per_s"]
        for number in (1, 2)
    ]
    assert (plain["ratio_low"], plain["ratio_high"]) == pytest.approx((min(ratios), max(ratios)))
    assert plain["ratio"] == pytest.approx(sum(ratios) / 2)
    (busy,) = found["busy"]
    ratios = [
        rounds["busy", "gn", number]["step_ms"] / rounds["normbench", "gn", number]["step_ms"] for number in (1, 2)
    ]
    assert (busy["busy_programs"], busy["ratio_low"], busy["ratio_high"]) == (1, min(ratios), max(ratios))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--norm", "gm"], "unknown norm 'gm': did you mean"),
        (["--norm", "gn", "--set", "norm.num_groups=5"], "5 does not divide"),
        (["--config", "seeds"], "'normbench sweep' trains"),
        (["--device", "tpu"], "--device tpu: known: auto, cpu, cuda"),
        (["--output", "nowhere/bench.json"], "there is no folder nowhere"),
        (["--output", "."], "is a folder"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("bench", *arguments)
    assert isinstance(result.exception, ConfigError)
    assert text in str(result.exception)


@pytest.mark.parametrize(
    "arguments", [["--rounds", 0], ["--steps", 0], ["--threads", 0], ["--busy", 0], ["--against", "jax"]]
)
def test_bad_numbers_are_usage_errors(arguments: list[object]) -> None:
    assert invoke("bench", *arguments).exit_code == 2


def test_full_without_a_gpu_is_one_sentence() -> None:
    result = invoke("bench", "--full")
    assert isinstance(result.exception, ConfigError)
    assert result.exception.exit_code == 2
    assert "run it on a machine with CUDA" in str(result.exception)
    result = invoke("bench", "--full", "--busy", 1)
    assert "give it without --full" in str(result.exception)
    result = invoke("bench", "--full", "--device", "cuda")
    assert isinstance(result.exception, ConfigError)
    assert "no CUDA device" in str(result.exception)

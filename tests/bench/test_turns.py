"""What `normbench bench` computes, and the parts it measures with."""

import io
import os
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from normbench.bench import parts
from normbench.bench.contender import Contender
from normbench.bench.plain import plain_laps
from normbench.bench.result import PARTS, Bench, Ceilings, Lap, Timed
from normbench.bench.training import training_laps
from normbench.bench.turns import rounds_in_turn
from normbench.config import Config, load_config
from normbench.errors import ConfigError, RunError
from normbench.models.reference import Reference
from normbench.present.report.document import render_document
from normbench.present.tables.bench import bench_tables
from normbench.runs.build import REGISTRIES, build_network
from tests.tiny import make_folder

CPU = torch.device("cpu")


def lap(step_ms: float, batch: int = 64, steps: int = 10) -> Lap:
    """A tenth of a step in data, two in forward, four in backward, one in the optimizer, none in the rest."""
    seconds = steps * step_ms / 1000
    shares = (0.1, 0.2, 0.4, 0.1, 0.0)
    return Lap(
        steps, steps * batch, seconds, {name: share * seconds for name, share in zip(PARTS, shares, strict=True)}
    )


def timed(norm: str, step_ms: list[float]) -> Timed:
    return Timed(norm, norm.upper(), 10_000_000, tuple(map(lap, step_ms)), 700 * 2**20)


def bench() -> Bench:
    """Of three rounds; in the second the machine was half as fast."""
    ceilings = [Ceilings({"fp32": fp32, "bf16": bf16}, 9) for fp32, bf16 in ((100, 300), (50, 200), (110, 320))]
    return Bench(
        norms=(timed("none", [20, 40, 22]), timed("bn", [25, 50, 30])),
        plain={"bn": timed("bn", [125, 200, 240])},
        ceilings=tuple(ceilings),
        device="cpu",
        precision="bf16",
    )


def test_ratios_are_taken_round_by_round() -> None:
    """A machine at half its speed in one round changes a difference, but no ratio."""
    found = bench()
    bn = found.norms[1]
    assert found.tax_s(bn) == pytest.approx((0.008, 0.005, 0.010))
    assert found.tax(bn) == pytest.approx((0.25, 0.25, 8 / 22))
    assert found.times_plain(bn) == pytest.approx((5.0, 4.0, 8.0))
    assert bn.step_s == pytest.approx((0.030, 0.025, 0.050))


def test_the_share_of_the_peak_counts_six_operations_a_mac() -> None:
    found = bench()
    first, second, third = (
        6 * 10e6 * 64 / seconds / peak for seconds, peak in ((0.025, 300e9), (0.050, 200e9), (0.030, 320e9))
    )
    assert found.share_of_peak(found.norms[1]) == pytest.approx((third, second, first))


@pytest.mark.parametrize(("step_ms", "middle"), [([3, 1, 2], 2), ([4, 1, 2, 3], 2), ([5], 5)])
def test_parts_are_those_of_one_round(step_ms: list[float], middle: float) -> None:
    chosen = timed("bn", step_ms).middle
    assert chosen.step_s == pytest.approx(middle / 1000)
    assert chosen.part_s is not None
    assert sum(chosen.part_s.values()) == pytest.approx(0.8 * chosen.step_s)


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    contenders = {name: lambda name=name: calls.append(name) or len(calls) for name in "ab"}
    assert list(rounds_in_turn(contenders, rounds=2, warm_up=1)) == [{"a": 3, "b": 4}, {"a": 5, "b": 6}]
    assert calls == list("ababab")


@pytest.mark.parametrize("width", [80, 140])
def test_fits_the_terminal_and_says_all(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    tables = bench_tables(bench(), "cpu, 2 threads, bf16, batch 64, 3 rounds of 10 steps")
    render_document(tables, "table", console, {}, [])
    shown = console.file.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    words = shown.split()
    for table in tables.values():
        for row in table.rows:
            for cell in row:
                assert all(word in words for word in " ".join([cell] if isinstance(cell, str) else cell).split())


def test_a_step_that_cannot_be_divided_says_so() -> None:
    whole = Timed("none", "none", 1, (Lap(1, 64, 0.1, None),), 1)
    tables = bench_tables(Bench((whole,), {}, (Ceilings({"bf16": 1.0}, 1.0),), "cuda", "bf16"), "cuda")
    assert tables["parts"].rows == (("none", "-", "-", "-", "-", "-", "100.00"),)
    assert "cannot be divided" in tables["parts"].notes[-1]
    assert tables["norms"].records[0]["forward_ms"] is None
    assert "plain" not in tables


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """48 training images in batches of 20: an epoch of three steps, the last of 8 images."""
    folder = make_folder(tmp_path_factory.mktemp("images"))
    overrides = [("data.source", "folder", ""), ("data.dir", str(folder), ""), ("train.batch_size", 20, "")]
    return load_config(None, REGISTRIES, overrides)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path))


def test_a_lap_is_so_many_steps_of_the_training_loop(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once a look, each part of each step lasts one tick: every boundary is passed once."""
    monkeypatch.setattr(parts, "time", SimpleNamespace(perf_counter=count().__next__))
    take = training_laps(config, "fp32", CPU, num_steps=4)
    first, second = take(), take()
    assert first.parts == second.parts == dict.fromkeys(PARTS, 4)
    assert (first.num_images, second.num_images) == (20 + 20 + 8 + 20, 20 + 8 + 20 + 20)


def test_the_parts_are_within_the_lap(config: Config) -> None:
    found = training_laps(config, "fp32", CPU, num_steps=3)()
    assert found.parts is not None
    assert 0.5 * found.seconds < sum(found.parts.values()) <= found.seconds
    assert all(seconds > 0 for seconds in found.parts.values())


def test_the_lr_is_zero_however_often_the_epochs_begin_anew(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[nn.Module] = []

    def build(config: Config, num_classes: int) -> nn.Module:
        models.append(build_network(config, num_classes))
        return models[-1]

    monkeypatch.setattr("normbench.runs.build.build_network", build)
    sgd = config.model_copy(update={"train": load_config("reference", REGISTRIES, [("train.epochs", 1, "")]).train})
    take = training_laps(sgd, "fp32", CPU, num_steps=2)
    before = [parameter.clone() for parameter in models[0].parameters()]
    take()
    assert all(map(torch.equal, before, models[0].parameters()))
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in models[0].parameters())


@pytest.mark.parametrize(
    ("kind", "layer"), [("bn", nn.BatchNorm2d), ("gn", nn.GroupNorm), ("ln", nn.GroupNorm), ("in", nn.InstanceNorm2d)]
)
def test_the_plain_loop_has_pytorchs_own_layers(
    config: Config, kind: str, layer: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[nn.Module] = []

    class Kept(Reference):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            models.append(self)

    monkeypatch.setattr("normbench.bench.plain.Reference", Kept)
    monkeypatch.setattr("normbench.bench.plain.num_cores", lambda: 0)  # no worker processes
    chosen = load_config(None, REGISTRIES, [("norm.kind", kind, "")]).norm
    found = plain_laps(config.model_copy(update={"norm": chosen}), CPU, num_steps=3)()
    assert (found.num_steps, found.num_images, found.parts) == (3, 60, None)
    assert [type(module) for module in models[0].modules() if getattr(module, "is_norm", False)] == [layer] * 8


def make_number_of_threads() -> Any:
    return torch.get_num_threads


def refuse() -> Any:
    raise ConfigError("norm.num_groups: 5 does not divide 16")


def stumble() -> Any:
    raise ZeroDivisionError("a bug")


def test_a_contender_is_a_process_with_threads_and_memory_of_its_own() -> None:
    contender = Contender("bn", CPU, 3, make_number_of_threads)
    contender.wait_until_ready()
    assert (contender.measure(), contender.measure()) == (3, 3)
    assert contender.finish() > 50 * 2**20
    contender.kill()


@pytest.mark.parametrize(
    ("make", "arguments", "error", "text"),
    [
        (refuse, (), ConfigError, "norm.num_groups: 5 does not divide 16"),
        (stumble, (), RuntimeError, "in the process that times gn:\n.*stumble.*ZeroDivisionError: a bug"),
        (os._exit, (3,), RunError, r"the process that times gn ended by itself \(exit code 3\)"),
    ],
)
def test_what_goes_wrong_in_the_process_is_raised_here(
    make: Any, arguments: tuple[int, ...], error: type[Exception], text: str
) -> None:
    contender = Contender("gn", CPU, 1, make, *arguments)
    with pytest.raises(error, match=f"(?s){text}"):
        contender.wait_until_ready()
    contender.kill()

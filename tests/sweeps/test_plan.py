"""What a sweep has to train: what is done, on which machine, and how long the rest takes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from normbench.config import Config, load_config
from normbench.data.load import load_dataset
from normbench.errors import ConfigError
from normbench.runs.execute import train_run
from normbench.runs.machines import decided_precision
from normbench.runs.registries import REGISTRIES
from normbench.sweeps.plan import Plan, make_plan, requests_for
from normbench.train.machine import Machine
from normbench.train.passes import WAYS

CPU = Machine(torch.device("cpu"))


def config_for(images: Path, norm: str, seed: int = 0, precision: str = "fp32") -> Config:
    settings = {"data.source": "folder", "data.dir": str(images), "train.epochs": 2, "train.batch_size": 16}
    settings |= {"train.precision": precision, "norm.kind": norm}
    overrides = [(key, value, f"--set {key}") for key, value in settings.items()]
    return load_config("default", REGISTRIES, [*overrides, ("seeds", [seed], "--seed")])


def plan_of(configs: list[Config], results: Path, machine: Machine = CPU, together: str = "auto") -> Plan:
    dataset = load_dataset(configs[0].data, bar=False)
    return make_plan(requests_for(configs, results), dataset, machine, jobs=2, together=together)


def test_finished_runs_are_done_and_the_others_take_time(images: Path, tmp_path: Path) -> None:
    configs = [config_for(images, norm, seed) for seed in (0, 1) for norm in ("bn", "none")]
    first = requests_for(configs, tmp_path)[0]
    train_run(first.config, first.folder, load_dataset(first.config.data, bar=False), CPU)
    plan = plan_of(configs, tmp_path)
    assert plan.done == (first,)
    assert plan.to_do == tuple(requests_for(configs, tmp_path)[1:])
    assert len(plan.seconds) == 3
    assert all(seconds > 0 for seconds in plan.seconds)
    assert plan.seconds[0] == plan.seconds[2]  # of one kind, whatever the seed
    assert plan.start_s > 0
    assert replace(plan, seconds=(4.0, 1.0, 2.0), start_s=0.5).total_s == 4.5  # two processes: 4 s, and 1 s + 2 s


def test_the_machine_of_a_plan_has_threads_and_a_precision(images: Path, tmp_path: Path) -> None:
    plan = plan_of([config_for(images, "bn", precision="auto")], tmp_path)
    assert plan.machine.threads == 1
    assert plan.machine.precision in ("fp32", "bf16")
    assert plan_of([config_for(images, "bn")], tmp_path, Machine(CPU.device, threads=2)).machine.threads == 2


def test_the_precision_is_decided_once_for_an_experiment(images: Path, tmp_path: Path) -> None:
    """A sweep and a single run get the same, even if the other would be faster when they begin."""
    dataset = load_dataset(config_for(images, "bn").data, bar=False)
    configs = [config_for(images, "bn", seed, precision="auto") for seed in (0, 1)]
    for precision in ("fp32", "bf16"):
        decided_precision(tmp_path / precision / "default", CPU.device, lambda precision=precision: precision)
        assert plan_of(configs, tmp_path / precision).machine.precision == precision
        single = requests_for(configs, tmp_path / precision)[0]
        assert train_run(single.config, single.folder, dataset, CPU).precision == precision


def test_a_norm_that_fails_leaves_the_other_runs_their_plan(images: Path, tmp_path: Path) -> None:
    """Its own run, which will say what is wrong, takes no time."""
    configs = [config_for(images, norm, precision="auto") for norm in ("tests.foreign_norms:Raises", "bn")]
    plan = plan_of(configs, tmp_path)
    assert plan.seconds[0] == 0 < plan.seconds[1]


def test_runs_of_one_norm_share_the_time_of_their_group(images: Path, tmp_path: Path) -> None:
    configs = [config_for(images, norm, seed) for seed in (0, 1) for norm in ("bn", "none")]
    for way in WAYS:
        plan = plan_of(configs, tmp_path, together=way)
        assert [request.way for request in plan.to_do] == [way] * 4
        assert [request.config for request in plan.to_do] == configs
        assert plan.seconds[:2] == plan.seconds[2:]


def test_a_network_over_its_budget_is_refused_before_any_run(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"50,000|49,999"):
        plan_of([config_for(images, "bn"), config_for(images, "ln-chw")], tmp_path)

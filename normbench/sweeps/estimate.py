"""How long runs will take on this machine: a few real training steps of each kind, extrapolated."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice

import torch
from torch import nn

from normbench.config import Config
from normbench.data import Dataset
from normbench.runs.execute import split_sizes
from normbench.runs.registries import build_network, new_member
from normbench.train.allocator import keep_freed_memory
from normbench.train.evaluate import infer
from normbench.train.lockstep import Lockstep
from normbench.train.loop import Diverged, steps_per_epoch, train_epoch
from normbench.train.setting import Setting, choose_device, choose_setting, using_threads

WARM_UP = 2  # steps that are not counted
STEPS = 5
STEPS_TOGETHER = 20  # on a GPU they take a few milliseconds each
EVALUATED = 1_000  # images


def common_precision(config: Config, dataset: Dataset, device: str, threads: int) -> str:
    """What `precision: auto` means on this machine, found with one network, for all runs that shall be compared."""
    with using_threads(threads):
        model = build_network(config, len(dataset.class_names))
        return choose_setting(model, dataset.train.images, choose_device(device), config.train.precision).precision


def run_seconds(configs: Sequence[Config], dataset: Dataset, device: str, threads: int, precision: str) -> list[float]:
    """Seconds that each run will take in a process of its own with `threads` threads, without start and pictures.

    Runs that differ in nothing that takes time (seed, lr) are measured once: the median of a few steps, and a piece of
    the evaluation.
    """
    measured: dict[str, float] = {}
    seconds = []
    with using_threads(threads):
        for config in configs:
            kind = json.dumps(_kind(config), sort_keys=True)
            if kind not in measured:
                measured[kind] = (
                    _epoch_seconds(config, dataset, device, precision)
                    if device == "cpu"
                    else _epoch_seconds_together([config], dataset, device, threads, precision, "lanes")
                )
            seconds.append(measured[kind] * config.train.epochs)
    return seconds


def group_seconds(
    configs: Sequence[Config], dataset: Dataset, device: str, threads: int, precision: str, way: str
) -> float:
    """Seconds that runs which differ in their seed only will take together, as `run_seconds` measures one alone."""
    seconds = configs[0].train.epochs * _epoch_seconds_together(configs, dataset, device, threads, precision, way)
    torch.cuda.empty_cache()  # other processes will train
    return seconds


def _epoch_seconds_together(
    configs: Sequence[Config], dataset: Dataset, device: str, threads: int, precision: str, way: str
) -> float:
    config, target = configs[0], choose_device(device)
    setting = Setting(target, _wanted(config, precision))
    members = [new_member(each, len(dataset.class_names), setting) for each in configs]
    num_train, num_held_out = split_sizes(config, dataset)
    with using_threads(threads):
        lockstep = Lockstep(members, dataset.train, setting, way)
        steps = lockstep.train_epoch()
        for _ in islice(steps, WARM_UP):  # on CUDA the first records a graph
            pass
        num_steps, begun = 0, _now(target)
        for _ in islice(steps, STEPS_TOGETHER):
            num_steps += 1
        step = (_now(target) - begun) / max(num_steps, 1)
        evaluation = len(configs) * _evaluation_seconds(members[0].model, dataset, setting, num_held_out)
    return step * steps_per_epoch(num_train, config.train.batch_size) + evaluation


def _now(device: torch.device) -> float:
    """Once the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _kind(config: Config) -> Mapping[str, object]:
    plain = config.to_dict()
    train = plain["train"]
    return {
        "norm": plain["norm"],
        "model": plain["model"],
        "augment": plain["data"]["augment"],
        "evaluate_on": plain["data"]["evaluate_on"],
        "batch_size": train["batch_size"],
        "optimizer": train["optimizer"]["name"],
        "precision": train["precision"],
    }


def _epoch_seconds(config: Config, dataset: Dataset, device: str, precision: str) -> float:
    keep_freed_memory()
    setting = Setting(choose_device(device), _wanted(config, precision))
    member = new_member(config, len(dataset.class_names), setting)
    model, position = member.model, member.position
    num_train, num_held_out = split_sizes(config, dataset)
    seconds, before = [], 0.0
    with suppress(Diverged):  # the time it takes is the same
        for _ in train_epoch(model, member.optimizer, dataset.train, member.recipe, setting, position):
            seconds.append(position.train_s - before)
            before = position.train_s
            if len(seconds) == WARM_UP + STEPS:
                break
    step = statistics.median(seconds[WARM_UP:] or seconds or [0.0])
    evaluation = _evaluation_seconds(model, dataset, setting, num_held_out)
    return step * steps_per_epoch(num_train, config.train.batch_size) + evaluation


def _evaluation_seconds(model: nn.Module, dataset: Dataset, setting: Setting, num_held_out: int) -> float:
    probe = dataset.test.images[:EVALUATED]
    start = time.perf_counter()
    infer(model, probe, setting)
    return (time.perf_counter() - start) / len(probe) * num_held_out


def _wanted(config: Config, precision: str) -> str:
    return precision if config.train.precision == "auto" else config.train.precision

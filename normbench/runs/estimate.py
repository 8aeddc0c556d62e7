"""How long runs will take on this machine: a few real training steps of each kind, extrapolated."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from normbench.config import Config
from normbench.data import Dataset
from normbench.runs.execute import split_sizes
from normbench.runs.registries import build_network, build_optimizer, build_recipe
from normbench.train.allocator import keep_freed_memory
from normbench.train.evaluate import infer
from normbench.train.loop import Diverged, Position, steps_per_epoch, train_epoch
from normbench.train.setting import Setting, choose_device, choose_setting, using_threads

WARM_UP = 2  # steps that are not counted
STEPS = 5
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
                measured[kind] = _epoch_seconds(config, dataset, device, precision)
            seconds.append(measured[kind] * config.train.epochs)
    return seconds


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
    wanted = precision if config.train.precision == "auto" else config.train.precision
    setting = Setting(choose_device(device), wanted)
    model = build_network(config, len(dataset.class_names))
    model.to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    optimizer = build_optimizer(config, model)
    position = Position.start_of(0, setting.device)
    num_train, num_held_out = split_sizes(config, dataset)
    seconds, before = [], 0.0
    with suppress(Diverged):  # the time it takes is the same
        for _ in train_epoch(model, optimizer, dataset.train, build_recipe(config), setting, position):
            seconds.append(position.train_s - before)
            before = position.train_s
            if len(seconds) == WARM_UP + STEPS:
                break
    probe = dataset.test.images[:EVALUATED]
    start = time.perf_counter()
    infer(model, probe, setting)
    evaluation = (time.perf_counter() - start) / len(probe) * num_held_out
    step = statistics.median(seconds[WARM_UP:] or seconds or [0.0])
    return step * steps_per_epoch(num_train, config.train.batch_size) + evaluation

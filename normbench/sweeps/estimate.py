"""How long runs will take on this machine: a few real training steps of each kind, extrapolated."""

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

import torch

from normbench.config import Config
from normbench.data.dataset import Dataset, Split
from normbench.runs.build import build_network, new_member, task_of, training_split
from normbench.runs.outside import is_from_outside
from normbench.runs.splits import split_sizes
from normbench.train.allocator import keep_freed_memory
from normbench.train.evaluate import infer
from normbench.train.lockstep import Lockstep
from normbench.train.loop import Diverged, Member, steps_per_epoch, train_epoch
from normbench.train.machine import Machine, using_threads, wait_for
from normbench.train.probe import faster_precision
from normbench.train.setting import Setting
from normbench.train.statistics import accuracy_by_statistics, recompute_statistics

WARM_UP = 2  # steps that are not counted
STEPS = 5
STEPS_TOGETHER = 20  # on a GPU a step takes a few milliseconds
EVALUATED = 500  # images


def common_precision(config: Config, dataset: Dataset, machine: Machine) -> str:
    """The precision for all runs that shall be compared: `auto` is measured with the network of one config."""
    if config.train.precision != "auto":
        return config.train.precision
    with using_threads(machine.threads):
        model = build_network(config, task_of(dataset))
        return faster_precision(
            model, dataset.train.images, Setting(machine.device, normalization=dataset.normalization)
        )


def run_seconds(configs: Sequence[Config], dataset: Dataset, machine: Machine) -> list[float]:
    """Seconds that each run will take in a process of its own, without what `measure_overhead` measures.

    Measured for each kind of run: the median of a few steps, and a part of the evaluations. Runs that differ only in
    what takes no time, such as seed or lr, are of one kind.
    """
    measured: dict[str, _Seconds] = {}
    seconds = []
    with using_threads(machine.threads):
        for config in configs:
            kind = json.dumps(_kind(config), sort_keys=True)
            if kind not in measured:
                with _norm_may_fail(config):
                    measured[kind] = (
                        _measure(config, dataset, machine)
                        if not machine.is_cuda
                        else _measure_together([config], dataset, machine, "lanes")
                    )
            seconds.append(measured[kind].of_run(config.train.epochs) if kind in measured else 0.0)
    return seconds


def group_seconds(configs: Sequence[Config], dataset: Dataset, machine: Machine, way: str) -> float:
    """Seconds that runs which differ in their seed only will take together, as `run_seconds` measures one alone."""
    seconds = 0.0
    with using_threads(machine.threads), _norm_may_fail(configs[0]):
        seconds = _measure_together(configs, dataset, machine, way).of_run(configs[0].train.epochs)
    torch.cuda.empty_cache()  # other processes will train
    return seconds


@contextmanager
def _norm_may_fail(config: Config) -> Iterator[None]:
    """Within, an error of a norm from outside is left to its run, which tells it: the other runs are estimated."""
    try:
        yield
    except Exception:
        if not is_from_outside(config):
            raise


@dataclass(frozen=True)
class _Seconds:
    """Of an epoch with its evaluation, and of what follows the last one."""

    epoch: float
    end: float

    def of_run(self, num_epochs: int) -> float:
        return self.epoch * num_epochs + self.end


def _measure_together(configs: Sequence[Config], dataset: Dataset, machine: Machine, way: str) -> _Seconds:
    config = configs[0]
    precision = machine.precision_for(config.train.precision)
    setting = Setting(machine.device, precision, normalization=dataset.normalization)
    members = [new_member(each, task_of(dataset), setting) for each in configs]
    num_train, num_held_out = split_sizes(config, dataset)
    lockstep = Lockstep(members, training_split(config, dataset.train, task_of(dataset)), setting, way)
    steps = lockstep.train_epoch()
    for _ in islice(steps, WARM_UP):  # on CUDA the first records a graph
        pass
    num_steps, begun = 0, _now(machine.device)
    for _ in islice(steps, STEPS_TOGETHER):
        num_steps += 1
    step = (_now(machine.device) - begun) / max(num_steps, 1)
    evaluation = _evaluation_seconds(members[0], lockstep.split, dataset.test, setting, num_train, num_held_out)
    training = step * steps_per_epoch(num_train, config.train.batch_size)
    return _Seconds(training + len(configs) * evaluation.epoch, len(configs) * evaluation.end)


def _now(device: torch.device) -> float:
    """The time once the device has done all its work."""
    wait_for(device)
    return time.perf_counter()


def _kind(config: Config) -> Mapping[str, object]:
    """The keys of a config that change how long a run takes."""
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


def _measure(config: Config, dataset: Dataset, machine: Machine) -> _Seconds:
    keep_freed_memory()
    precision = machine.precision_for(config.train.precision)
    setting = Setting(machine.device, precision, normalization=dataset.normalization)
    member = new_member(config, task_of(dataset), setting)
    train, position = training_split(config, dataset.train, task_of(dataset)), member.position
    num_train, num_held_out = split_sizes(config, dataset)
    seconds, before = [], 0.0
    with suppress(Diverged):  # a diverging step takes as long
        for _ in train_epoch(member.model, member.optimizer, train, member.recipe, setting, position):
            seconds.append(position.train_s - before)
            before = position.train_s
            if len(seconds) == WARM_UP + STEPS:
                break
    step = statistics.median(seconds[WARM_UP:] or seconds or [0.0])
    evaluation = _evaluation_seconds(member, train, dataset.test, setting, num_train, num_held_out)
    return _Seconds(step * steps_per_epoch(num_train, config.train.batch_size) + evaluation.epoch, evaluation.end)


def _evaluation_seconds(
    member: Member, train: Split, held_out: Split, setting: Setting, num_train: int, num_held_out: int
) -> _Seconds:
    """The evaluation of an epoch, with statistics that are computed for it, and the accuracies by statistics."""
    model, recipe = member.model, member.recipe
    train, held_out = (Split(split.images[:EVALUATED], split.labels[:EVALUATED]) for split in (train, held_out))
    begun = _now(setting.device)
    infer(model, held_out.images, setting)
    inferred = _now(setting.device)
    recompute_statistics(model, train, setting, recipe, epoch=0)
    recomputed = _now(setting.device)
    accuracy_by_statistics(model, train, held_out, setting, recipe)
    done = _now(setting.device)
    # the accuracies by statistics take a pass over the training images, and three over the others
    seen, to_see = len(train) + 3 * len(held_out), num_train + 3 * num_held_out
    return _Seconds(
        epoch=(inferred - begun) / len(held_out) * num_held_out + (recomputed - inferred) / len(train) * num_train,
        end=(done - recomputed) / seen * to_see,
    )

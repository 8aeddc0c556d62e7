"""The time of a training step with each norm on this machine, relative to batch norm."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from normbench.bench.turns import rounds_in_turn
from normbench.config import Choice, Config
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.kernels import accelerate
from normbench.models.task import CIFAR10
from normbench.runs.build import build_network
from normbench.train.allocator import keep_freed_memory
from normbench.train.machine import choose_timed_device
from normbench.train.setting import Setting

BASELINE = "bn"
WARM_UP = 2  # rounds that are not counted
UNSTEADY = 1.5  # the upper end of an interval over its lower one, from which a ratio says little


class Ratio(NamedTuple):
    """A median over rounds and its 95 % interval; of fewer than 6 rounds the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Ratio":
        """The interval ends at values of the rounds, whatever their distribution (Conover 1999, section 3.2)."""
        ordered, num = sorted(values), len(values)
        left_out = 0  # values at each end
        while sum(math.comb(num, few) for few in range(left_out + 1)) / 2**num <= 0.025:
            left_out += 1
        return cls(statistics.median(ordered), ordered[max(left_out - 1, 0)], ordered[-max(left_out, 1)])


def relative_step_times(kinds: Sequence[str], rounds: int, device: str) -> Mapping[str, Ratio]:
    """The time of a step with each norm over that with bn, by norm.

    A step is the forward and backward pass of the default config's network and batch size in float32, as in training,
    without optimizer and data. Raises ConfigError for a device that is not there.
    """
    setting = Setting(choose_timed_device(device), normalization=CIFAR10_CONSTANTS)
    keep_freed_memory()
    networks = {kind: _network(kind, setting) for kind in dict.fromkeys([BASELINE, *kinds])}
    batch_size = Config().train.batch_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, *CIFAR10.image_shape, generator=generator)
    images = images.to(setting.device, memory_format=setting.memory_format)
    labels = torch.arange(batch_size, device=setting.device) % CIFAR10.num_classes
    ratios = ratios_to_baseline(
        {kind: partial(_step_seconds, accelerate(network), images, labels) for kind, network in networks.items()},
        rounds,
    )
    return {kind: ratios[kind] for kind in kinds}


def ratios_to_baseline(steps: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Ratio]:
    """Each function measures the seconds of one step; one of them is BASELINE's.

    A round takes one step of each in turn, so that a steady load of the machine falls on all of them. The ratios to
    BASELINE are taken round by round.
    """
    measured = list(rounds_in_turn(steps, rounds, WARM_UP))
    return {name: Ratio.of([seconds[name] / seconds[BASELINE] for seconds in measured]) for name in steps}


def time_notes(ratios: Mapping[str, Ratio]) -> list[str]:
    """A warning if the intervals are too wide to tell norms apart."""
    name, widest = max(ratios.items(), key=lambda item: item[1].high / item[1].low)
    if widest.high <= UNSTEADY * widest.low:
        return []
    return [
        f"the machine was too busy for these times ({name} took {widest.low:.2f} to {widest.high:.2f} times as long as "
        f"{BASELINE}): end other programs, or take more steps with --rounds"
    ]


def _network(kind: str, setting: Setting) -> nn.Module:
    network = build_network(Config(norm=Choice(kind)), CIFAR10).train()
    return network.to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]


def _step_seconds(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    network.zero_grad(set_to_none=True)
    start = time.perf_counter()
    F.cross_entropy(network(images), labels).backward()
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - start

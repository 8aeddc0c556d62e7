"""How long a training step of each norm takes on this machine, relative to batch norm's."""

import statistics
import time
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from normbench.bench.turns import rounds_in_turn
from normbench.config import Choice, Config
from normbench.models.reference import IMAGE_SHAPE
from normbench.runs.build import build_network
from normbench.train.allocator import keep_freed_memory
from normbench.train.machine import choose_device
from normbench.train.setting import Setting

BASELINE = "bn"
NUM_CLASSES = 10
WARM_UP = 2  # rounds that are not counted


def relative_step_times(kinds: Sequence[str], rounds: int, device: str) -> Mapping[str, float]:
    """The median over rounds of (seconds of a step with the norm) / (seconds of one with bn), by kind.

    A step is the forward and backward pass of the default config's network and batch size in float32, as training runs
    it, without optimizer and data. Each round takes one step of each norm in turn, so that whatever else the machine
    does falls on all of them. Raises ConfigError for a device that is not there.
    """
    setting = Setting(choose_device(device))
    keep_freed_memory()
    networks = {kind: _network(kind, setting) for kind in dict.fromkeys([BASELINE, *kinds])}
    batch_size = Config().train.batch_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, *IMAGE_SHAPE, generator=generator)
    images = images.to(setting.device, memory_format=setting.memory_format)
    labels = torch.arange(batch_size, device=setting.device) % NUM_CLASSES
    steps = {kind: partial(_seconds, network, images, labels) for kind, network in networks.items()}
    measured = list(rounds_in_turn(steps, rounds, WARM_UP))
    return {kind: statistics.median(seconds[kind] / seconds[BASELINE] for seconds in measured) for kind in kinds}


def _network(kind: str, setting: Setting) -> nn.Module:
    network = build_network(Config(norm=Choice(kind)), NUM_CLASSES).train()
    return network.to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]


def _seconds(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    network.zero_grad(set_to_none=True)
    start = time.perf_counter()
    F.cross_entropy(network(images), labels).backward()
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - start

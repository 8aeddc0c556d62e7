"""Which engine computes the network of a run."""

import hashlib
import json
from collections.abc import Callable
from functools import partial

from torch import nn

from normbench.config import Config
from normbench.data.dataset import Split
from normbench.errors import ConfigError
from normbench.runs.outside import is_from_outside
from normbench.train.loop import steps_per_epoch
from normbench.train.machine import TESTED
from normbench.train.probe import LEAST_STEPS, faster_engine, is_lowered
from normbench.train.setting import Setting

Decide = Callable[[str, Callable[[], str]], str]
"""(name of a choice, a function that measures it) -> the choice."""


def engine_of(config: Config, model: nn.Module, train: Split, setting: Setting, decide: Decide) -> str:
    """One of ENGINES, as `train.engine` says; `auto` takes the kernels where they compute the whole network.

    Of another network with a part from outside of normbench, and of any network on CUDA, the fastest engine is measured
    unless the run is short. On CUDA `kernels` stands for PyTorch's layers: there are no others.
    decide: calls the measurement, or finds what it said before under this name.
    Raises ConfigError for `compile` on a device that is neither a CPU nor CUDA.
    """
    configured, device = config.train.engine, setting.device.type
    if configured == "compile" and device not in TESTED:
        raise ConfigError(f"train.engine compile is for a CPU or CUDA, not for {device}: leave it at auto")
    if configured != "auto":
        return configured if device == "cpu" or configured == "compile" else "kernels"
    num_steps = config.train.epochs * steps_per_epoch(len(train), config.train.batch_size)
    if device not in TESTED or num_steps < LEAST_STEPS:
        return "kernels"
    batch = train.images[: config.train.batch_size]
    if device == "cpu" and (not is_from_outside(config) or is_lowered(model, batch, setting)):
        return "kernels"
    return decide(f"engine.{_network_id(config)}", partial(faster_engine, model, batch, setting, num_steps))


def _network_id(config: Config) -> str:
    """Of a network and a batch size, whatever the norm: norms that are compared are computed alike."""
    plain = config.to_dict()
    text = json.dumps([plain["model"], plain["train"]["batch_size"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]

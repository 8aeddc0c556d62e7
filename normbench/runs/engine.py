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
from normbench.train.probe import LEAST_STEPS, faster_engine, is_lowered
from normbench.train.setting import Setting

Decide = Callable[[str, Callable[[], str]], str]
"""(name of a choice, a function that measures it) -> the choice."""


def engine_of(config: Config, model: nn.Module, train: Split, setting: Setting, decide: Decide) -> str:
    """One of ENGINES, as `train.engine` says; `auto` takes the kernels where they compute the whole network.

    Of another network with a part from outside of normbench, the fastest engine is measured unless the run is short. On
    a GPU PyTorch computes all networks, in a recorded step.
    decide: calls the measurement, or finds what it said before under this name.
    Raises ConfigError for `compile` on a GPU.
    """
    configured = config.train.engine
    if setting.device.type != "cpu":
        if configured == "compile":
            raise ConfigError(f"train.engine compile is for a CPU, not for {setting.device.type}: leave it at auto")
        return "kernels"
    if configured != "auto":
        return configured
    num_steps = config.train.epochs * steps_per_epoch(len(train), config.train.batch_size)
    is_own = not is_from_outside(config)
    batch = train.images[: config.train.batch_size]
    if is_own or num_steps < LEAST_STEPS or is_lowered(model, batch, setting):
        return "kernels"
    return decide(f"engine.{_network_id(config)}", partial(faster_engine, model, batch, setting, num_steps))


def _network_id(config: Config) -> str:
    """Of a network and a batch size, whatever the norm: norms that are compared are computed alike."""
    plain = config.to_dict()
    text = json.dumps([plain["model"], plain["train"]["batch_size"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]

"""What a few training steps on this machine show to be faster: the precision, and the engine."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels.accelerate import coverage
from normbench.train.capture import NotRecordable, capture
from normbench.train.compiled import CompileError
from normbench.train.engine import training_network
from normbench.train.machine import wait_for
from normbench.train.setting import Setting

logger = logging.getLogger(__name__)

PROBE_IMAGES = 32
PROBE_STEPS = 8
MOST_S = 10.0
"""Seconds after which no further round of steps begins."""
HOPELESS = 20.0  # a bf16 warm-up step this many times slower than a warm fp32 step decides against bf16
CLEARLY = 0.95
"""Eager steps replace those of the kernels if they take less than this fraction of the time: noise is smaller."""
LEAST_STEPS = 200
"""Steps of a run from which its engine is measured: a shorter one is over as soon as the measurement."""
LEAST_COMPILED_S = 300.0
"""Seconds of training from which `torch.compile` is tried: on a small network it takes 10 to 60 seconds."""

Step = Callable[[], None]


def faster_precision(model: nn.Module, images: Tensor, setting: Setting) -> str:
    """`fp32` or `bf16`: the one in which a few steps on this machine are faster.

    On CUDA it is bf16 where the hardware has it: eager steps, all that could be timed here, do not predict the time of
    a recorded step. On devices besides it is fp32.
    images: uint8 [N, C, H, W]; the first PROBE_IMAGES are the probe. The model and the random state do not change.
    """
    device = setting.device
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu":
        return "fp32"
    with torch.random.fork_rng(devices=[]):
        probe = images[:PROBE_IMAGES]
        steps = {each: _step(model, probe, replace(setting, precision=each)) for each in ("fp32", "bf16")}
        _timed(steps["fp32"], device)  # warm-up
        if _timed(steps["bf16"], device) > HOPELESS * _timed(steps["fp32"], device):
            return "fp32"
        seconds = _best_seconds(steps, device)
    return "bf16" if seconds["bf16"] < seconds["fp32"] else "fp32"


def is_lowered(model: nn.Module, images: Tensor, setting: Setting) -> bool:
    """Whether the kernels compute a training step with these images as a whole; nothing changes."""
    with torch.random.fork_rng(devices=[]), setting.autocast():
        return coverage(_copy(model, setting), setting.inputs(images)).left == 0


def faster_engine(model: nn.Module, images: Tensor, setting: Setting, num_steps: int) -> str:
    """One of ENGINES: the one with which `num_steps` training steps on this machine take the least time.

    images: a batch, uint8 [B, C, H, W]. On CUDA steps are recorded, as in training. The time that `torch.compile` takes
    counts. It is tried only for training that is long enough to win it back, and left where it fails. The model and the
    random state do not change.
    """
    device = setting.device
    with torch.random.fork_rng(devices=[]):
        engines = ("kernels", "eager") if device.type == "cpu" else ("kernels",)
        steps = {each: _step(model, images, replace(setting, engine=each)) for each in engines}
        for step in steps.values():  # warm-up
            step()
        seconds = _best_seconds(steps, device)
        best = "eager" if seconds.get("eager", math.inf) < CLEARLY * seconds["kernels"] else "kernels"
        plain = steps[best]
        if device.type == "cuda" and num_steps * seconds[best] >= LEAST_COMPILED_S:
            try:
                plain = capture(plain, list, device)
            except NotRecordable:  # nor is one that calls compiled code
                return best
            seconds = _best_seconds({best: plain}, device)
        if num_steps * seconds[best] < LEAST_COMPILED_S:
            return best
        try:
            begun = time.perf_counter()
            compiled = capture(_step(model, images, replace(setting, engine="compile")), list, device)
            _timed(compiled, device)
            compile_s = time.perf_counter() - begun
            seconds = _best_seconds({best: plain, "compile": compiled}, device)
        except (CompileError, NotRecordable, RuntimeError) as error:
            reason = error.reason if isinstance(error, CompileError) else str(error).partition("\n")[0]
            logger.info(f"note: without torch.compile, which cannot compile this network: {reason}")
            return best
    return "compile" if num_steps * (seconds[best] - seconds["compile"]) > compile_s else best


def _step(model: nn.Module, images: Tensor, setting: Setting) -> Step:
    """A training step of a copy of the model, without the optimizer."""
    network = training_network(_copy(model, setting), setting)
    inputs = setting.inputs(images)
    labels = torch.zeros(len(images), dtype=torch.int64, device=setting.device)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]

    def step() -> None:
        with setting.autocast():
            logits = network(inputs)
        torch.autograd.grad(F.cross_entropy(logits.float(), labels), parameters, allow_unused=True)

    return step


def _copy(model: nn.Module, setting: Setting) -> nn.Module:
    copied: nn.Module = deepcopy(model).to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    return copied.train()


def _best_seconds(steps: Mapping[str, Step], device: torch.device) -> dict[str, float]:
    """The shortest time of each. They take turns: what else the machine does takes its time from all."""
    best, begun = dict.fromkeys(steps, math.inf), time.perf_counter()
    for number in range(PROBE_STEPS):
        if number and time.perf_counter() - begun > MOST_S:
            break
        for name, step in steps.items():
            best[name] = min(best[name], _timed(step, device))
    return best


def _timed(step: Step, device: torch.device) -> float:
    start = time.perf_counter()
    step()
    wait_for(device)
    return time.perf_counter() - start

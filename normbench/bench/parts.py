"""Where the time of a training step goes, seen from outside of the training loop."""

import time
from itertools import pairwise
from typing import Any

import torch
from torch import nn, optim

from normbench.bench.result import PARTS


class PartClock:
    """Divides a stretch of time into parts: each lasts until the next one begins.

    On CUDA, where calls return before the work is done, events in the stream mark the beginnings, and nothing waits.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self._is_cuda = device, device.type == "cuda"
        self._begun: list[tuple[str, Any]] = []

    def begin(self, part: str) -> None:
        if not self._is_cuda:
            self._begun.append((part, time.perf_counter()))
        elif not torch.cuda.is_current_stream_capturing():  # what is captured is replayed without us
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._begun.append((part, event))

    def take(self) -> dict[str, float] | None:
        """Seconds by part since the last call; the part begun last is not over and counts nothing.

        None if the network was never called: a step replayed as one CUDA graph cannot be divided.
        """
        if self._is_cuda:
            torch.cuda.synchronize()
        begun, self._begun = self._begun, []
        seconds = dict.fromkeys(PARTS, 0.0)
        for (part, start), (_, end) in pairwise(begun):
            seconds[part] += start.elapsed_time(end) / 1000 if self._is_cuda else end - start
        return seconds if any(part == "forward" for part, _ in begun) else None


def mark_parts(model: nn.Module, optimizer: optim.Optimizer, clock: PartClock) -> None:
    """From now on each call of the model and each step of the optimizer begins its part on the clock, and the next."""
    model.register_forward_pre_hook(lambda module, inputs: clock.begin("forward"))
    model.register_forward_hook(lambda module, inputs, output: clock.begin("backward"))
    step = optimizer.step

    def marked_step(*arguments: Any) -> Any:
        clock.begin("optimizer")
        result = step(*arguments)
        clock.begin("other")
        return result

    optimizer.step = marked_step  # type: ignore[method-assign, assignment]

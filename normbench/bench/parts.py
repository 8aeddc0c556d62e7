"""The time of each part of a training step, measured by hooks around the training loop."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn, optim

from normbench.bench.result import PARTS


class PartClock:
    """Divides time into parts: a part lasts until the next one begins.

    On CUDA, where calls return before the work is done, events in the stream mark the beginnings, and nothing waits.
    `now` is the clock of the other devices, in seconds.
    """

    def __init__(self, device: torch.device, now: Callable[[], float] = time.perf_counter) -> None:
        self.device, self._is_cuda, self._now = device, device.type == "cuda", now
        self._begun: list[tuple[str, Any]] = []

    def begin(self, part: str) -> None:
        if not self._is_cuda:
            self._begun.append((part, self._now()))
        elif not torch.cuda.is_current_stream_capturing():  # a captured event would be replayed with the graph
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._begun.append((part, event))

    def step_done(self, forward_s: float, backward_s: float, optimizer_s: float) -> None:
        """Begins the parts of a step on the CPU that has just ended, from the seconds that they took."""
        now = self._now()
        durations = {"forward": forward_s, "backward": backward_s, "optimizer": optimizer_s}
        begun = now - sum(durations.values())
        for part, seconds in durations.items():
            self._begun.append((part, begun))
            begun += seconds
        self._begun.append(("other", now))

    def take(self) -> dict[str, float] | None:
        """Seconds by part since the last call. The part begun last is not over and counts nothing.

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
    """Makes each call of the model and each step of the optimizer begin its part, and the part after it, on `clock`.

    On CUDA: on a CPU hooks would divide a step that is one call, and the loop tells the times itself.
    """
    model.register_forward_pre_hook(lambda module, inputs: clock.begin("forward"))
    model.register_forward_hook(lambda module, inputs, output: clock.begin("backward"))
    step = optimizer.step

    def marked_step(*arguments: Any) -> Any:
        clock.begin("optimizer")
        result = step(*arguments)
        clock.begin("other")
        return result

    optimizer.step = marked_step  # type: ignore[method-assign, assignment]

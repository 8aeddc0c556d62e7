"""A training step as one call to the device: on CUDA a graph that is recorded once and replayed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

REHEARSALS = 3  # the first calls choose kernels, make handles and fill caches, none of which a recording may do


class NotRecordable(Exception):
    """The step does something that cannot be recorded, such as to wait for the device."""


State = Callable[[], Sequence[Tensor]]


def capture(
    step: Callable[[], None], state: State, device: torch.device, generators: Sequence[torch.Generator] = ()
) -> Callable[[], None]:
    """`step` itself on the CPU; on CUDA a function that replays what it does, without asking Python again.

    Nothing has happened when this returns: `state` names all tensors that a step changes and a later one reads. The
    step must read and write the same tensors at each call and never wait for the device; it draws from `generators`
    only, and what they are seeded with before a replay counts.
    Raises NotRecordable where the step does otherwise.
    """
    if device.type != "cuda":
        return step
    with _fastest_convs():
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            rehearse(step, state)
        torch.cuda.current_stream(device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(graph, stream=aside):  # for which the rehearsal has made all handles
                step()
        except RuntimeError as error:
            raise NotRecordable(str(error).partition("\n")[0]) from error
    return graph.replay


@contextmanager
def _fastest_convs() -> Iterator[None]:
    """Within, cuDNN tries its algorithms for each new shape: a graph asks for the same few shapes all the time."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def rehearse(step: Callable[[], None], state: State) -> None:
    """Takes a few steps, and takes back what they did; what the first one makes begins at 0, as momentum does."""
    before = {id(tensor): (tensor, tensor.detach().clone()) for tensor in state()}
    for _ in range(REHEARSALS):
        step()
        with torch.no_grad():
            for tensor in state():
                if id(tensor) in before:
                    tensor.copy_(before[id(tensor)][1])
                else:
                    tensor.zero_()


class Lanes:
    """Tasks side by side, each in a stream of its own that forks from the current one and joins it again.

    Recorded, they are branches of the graph. On the CPU, or for one task, there are no lanes.
    """

    def __init__(self, device: torch.device, number: int) -> None:
        self._device = device
        several = device.type == "cuda" and number > 1
        self._streams = [torch.cuda.Stream(device) for _ in range(number)] if several else []

    def run(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        if not self._streams:
            return [task() for task in tasks]
        trunk = torch.cuda.current_stream(self._device)
        results = []
        for stream, task in zip(self._streams, tasks, strict=True):
            stream.wait_stream(trunk)
            with torch.cuda.stream(stream):
                results.append(task())
        for stream in self._streams:
            trunk.wait_stream(stream)
        return results

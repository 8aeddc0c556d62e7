"""A training step as one call to the device: on CUDA a graph that is recorded once and replayed.

Streams and graphs come from the module `torch.cuda`; tests hand in a stand-in for it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

REHEARSALS = 3  # warm-up steps: the first calls choose kernels and make handles, which may not happen in a recording


class NotRecordable(Exception):
    """The step does something that a CUDA graph cannot record, such as to wait for the device."""


State = Callable[[], Sequence[Tensor]]


def capture(
    step: Callable[[], None],
    state: State,
    device: torch.device,
    generators: Sequence[torch.Generator] = (),
    cuda: Any = torch.cuda,
) -> Callable[[], None]:
    """`step` itself on the CPU; on CUDA a function that replays the step as one graph.

    `state` gives all tensors that a step changes and a later one reads: when `capture` returns, they are as before.
    The step must read and write the same tensors at each call and never wait for the device. It draws random numbers
    from `generators` only, which may be seeded anew before each replay.
    Raises NotRecordable for a step that breaks these rules.
    """
    if device.type != "cuda":
        return step
    with _fastest_convs():
        aside = cuda.Stream(device)
        aside.wait_stream(cuda.current_stream(device))
        with cuda.stream(aside):
            rehearse(step, state)
        cuda.current_stream(device).wait_stream(aside)
        graph = cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        try:
            with cuda.graph(graph, stream=aside):  # on the stream for which the rehearsal has made all handles
                step()
        except RuntimeError as error:
            raise NotRecordable(str(error).partition("\n")[0]) from error
    replay: Callable[[], None] = graph.replay
    return replay


@contextmanager
def _fastest_convs() -> Iterator[None]:
    """Within, cuDNN times its algorithms for each new shape, which pays for a graph: its shapes never change."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def rehearse(step: Callable[[], None], state: State) -> None:
    """Takes REHEARSALS steps and undoes them; tensors that the first step makes, such as momentum, are set to 0."""
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
    """Tasks side by side, each in a stream of its own that forks from the current stream and joins it again.

    In a recorded step the tasks are branches of the graph. On the CPU, or for one task, they run one after the other.
    """

    def __init__(self, device: torch.device, number: int, cuda: Any = torch.cuda) -> None:
        self._device, self._cuda = device, cuda
        several = device.type == "cuda" and number > 1
        self._streams = [cuda.Stream(device) for _ in range(number)] if several else []

    def run(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        if not self._streams:
            return [task() for task in tasks]
        trunk = self._cuda.current_stream(self._device)
        results = []
        for stream, task in zip(self._streams, tasks, strict=True):
            stream.wait_stream(trunk)
            with self._cuda.stream(stream):
                results.append(task())
        for stream in self._streams:
            trunk.wait_stream(stream)
        return results

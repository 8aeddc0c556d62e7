"""What is asked of CUDA, and in which order, with a stand-in for `torch.cuda`: no machine of the tests has a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from normbench.train.capture import REHEARSALS, Lanes, NotRecordable, capture

CUDA = torch.device("cuda")


class Stream:
    def __init__(self, cuda: "Cuda", name: str) -> None:
        self.cuda, self.name = cuda, name

    def wait_stream(self, other: "Stream") -> None:
        self.cuda.notes.append(f"{self.name} waits for {other.name}")


class Graph:
    """Replays what was noted while it was recorded."""

    def __init__(self, cuda: "Cuda") -> None:
        self.cuda = cuda
        self.recorded: list[str] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.cuda.notes.append("generator")

    def replay(self) -> None:
        self.cuda.notes += [f"replayed: {note}" for note in self.recorded]


class Cuda:
    """Notes the work, by the stream it is given to, and who waits for whom."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.notes: list[str] = []
        self.refuses, self.num_streams = refuses, 0
        self.current = Stream(self, "main")

    def work(self) -> str:
        self.notes.append(f"work in {self.current.name}")
        return self.current.name

    def Stream(self, device: torch.device) -> Stream:
        self.num_streams += 1
        return Stream(self, f"side {self.num_streams}")

    def CUDAGraph(self) -> Graph:
        return Graph(self)

    def current_stream(self, device: torch.device) -> Stream:
        return self.current

    @contextmanager
    def stream(self, which: Stream) -> Iterator[None]:
        before, self.current = self.current, which
        yield
        self.current = before

    @contextmanager
    def graph(self, graph: Graph, stream: Stream) -> Iterator[None]:
        """As on a GPU, what is called within is recorded and not done."""
        with self.stream(stream):
            done, self.notes = self.notes, []
            yield
            graph.recorded, self.notes = self.notes, done
            if self.refuses:
                raise RuntimeError("operation not permitted when stream is capturing\nmore")


def test_a_step_is_rehearsed_on_a_stream_aside_and_then_replayed() -> None:
    cuda, count = Cuda(), torch.zeros(1)
    fastest_convs = set()

    def step() -> None:
        cuda.work()
        fastest_convs.add(torch.backends.cudnn.benchmark)
        count.add_(1)

    before = torch.backends.cudnn.benchmark
    call = capture(step, lambda: [count], CUDA, [torch.Generator()], cuda)
    rehearsal = ["side 1 waits for main", *["work in side 1"] * REHEARSALS, "main waits for side 1"]
    assert cuda.notes == [*rehearsal, "generator"]
    assert fastest_convs == {True}
    assert torch.backends.cudnn.benchmark == before
    cuda.notes.clear()
    call()
    call()
    assert cuda.notes == ["replayed: work in side 1"] * 2


def test_a_rehearsal_is_undone() -> None:
    count = torch.zeros(1)
    seen = []

    def step() -> None:
        count.add_(1)
        seen.append(count.item())

    capture(step, lambda: [count], CUDA, (), Cuda())
    assert seen == [1] * (REHEARSALS + 1)  # the last one while recording, which only the stand-in really does


def test_a_step_that_cannot_be_recorded_is_named() -> None:
    before = torch.backends.cudnn.benchmark
    with pytest.raises(NotRecordable, match=r"^operation not permitted when stream is capturing$"):
        capture(lambda: None, list, CUDA, (), Cuda(refuses=True))
    assert torch.backends.cudnn.benchmark == before


def test_an_error_in_the_rehearsal_is_the_steps_own() -> None:
    def broken() -> None:
        raise RuntimeError("in the rehearsal already")

    with pytest.raises(RuntimeError, match="in the rehearsal already"):  # a bug, or too little memory
        capture(broken, list, CUDA, (), Cuda())


def test_lanes_fork_from_the_current_stream_and_join_it() -> None:
    cuda = Cuda()
    assert Lanes(CUDA, 2, cuda).run([cuda.work] * 2) == ["side 1", "side 2"]
    forks = ["side 1 waits for main", "work in side 1", "side 2 waits for main", "work in side 2"]
    assert cuda.notes == [*forks, "main waits for side 1", "main waits for side 2"]


def test_one_task_and_the_cpu_have_no_lanes() -> None:
    cuda = Cuda()
    assert Lanes(CUDA, 1, cuda).run([cuda.work]) == ["main"]
    assert Lanes(torch.device("cpu"), 3, cuda).run([cuda.work] * 3) == ["main"] * 3
    assert cuda.num_streams == 0

"""What is asked of CUDA, and in which order, with a stand-in that notes it: no machine of the tests has a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from normbench.train.capture import REHEARSALS, Lanes, NotRecordable, capture

CUDA = torch.device("cuda")


class StandIn:
    """Streams and graphs that note what they are told. A graph recorded is the calls made meanwhile."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.notes: list[str] = []
        self.current = "main"
        self.fails = False
        self.num_streams = 0
        stand_in = self

        class Stream:
            def __init__(self, device: Any = None, name: str = "") -> None:
                stand_in.num_streams += not name
                self.name = name or f"side {stand_in.num_streams}"

            def wait_stream(self, other: "Stream") -> None:
                stand_in.notes.append(f"{self.name} waits for {other.name}")

        class Graph:
            def register_generator_state(self, generator: torch.Generator) -> None:
                stand_in.notes.append("generator")

            def replay(self) -> None:
                stand_in.notes.append("replay")

        @contextmanager
        def stream(which: Stream) -> Iterator[None]:
            before, self.current = self.current, which.name
            yield
            self.current = before

        @contextmanager
        def graph(made: Graph, stream: Stream) -> Iterator[None]:
            with torch.cuda.stream(stream):  # type: ignore[arg-type]
                stand_in.notes.append("recording")
                yield
                if stand_in.fails:
                    raise RuntimeError("operation not permitted when stream is capturing\nmore")
                stand_in.notes.append("recorded")

        fakes = {"Stream": Stream, "CUDAGraph": Graph, "stream": stream, "graph": graph}
        for name, fake in fakes.items():
            patch.setattr(torch.cuda, name, fake)
        patch.setattr(torch.cuda, "current_stream", lambda device: Stream(name=self.current))


def test_a_step_is_rehearsed_aside_and_recorded_there(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, count = StandIn(monkeypatch), torch.zeros(1)

    def step() -> None:
        cuda.notes.append(f"step in {cuda.current}, {torch.backends.cudnn.benchmark}")
        if "recording" not in cuda.notes:
            count.add_(1)

    before = torch.backends.cudnn.benchmark
    call = capture(step, lambda: [count], CUDA, [torch.Generator()])
    assert torch.backends.cudnn.benchmark == before
    assert count.item() == 0
    aside = "step in side 1, True"
    waits = ["side 1 waits for main", *[aside] * REHEARSALS, "main waits for side 1"]
    assert cuda.notes == [*waits, "generator", "recording", aside, "recorded"]
    call()
    assert cuda.notes[-1] == "replay"


def test_a_step_that_cannot_be_recorded_is_named_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, before = StandIn(monkeypatch), torch.backends.cudnn.benchmark
    cuda.fails = True
    with pytest.raises(NotRecordable, match=r"^operation not permitted when stream is capturing$"):
        capture(lambda: None, list, CUDA)
    assert torch.backends.cudnn.benchmark == before
    cuda.fails = False

    def broken() -> None:
        raise RuntimeError("in the rehearsal already")

    with pytest.raises(RuntimeError, match="in the rehearsal already"):  # a bug, or too little memory
        capture(broken, list, CUDA)


def test_lanes_fork_from_the_current_stream_and_join_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = StandIn(monkeypatch)
    lanes = Lanes(CUDA, 2)

    def task() -> str:
        cuda.notes.append(cuda.current)
        return cuda.current

    assert lanes.run([task, task]) == ["side 1", "side 2"]
    first, second = (["side 1 waits for main", "side 1"], ["side 2 waits for main", "side 2"])
    assert cuda.notes == [*first, *second, "main waits for side 1", "main waits for side 2"]
    assert Lanes(CUDA, 1).run([task]) == ["main"]
    assert Lanes(torch.device("cpu"), 3).run([task] * 3) == ["main"] * 3

"""The calls that a chain of kernels makes, with the memory between them: see graph.h for what a call is."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from normbench.kernels.library import library, words
from normbench.kernels.op import Images, Plan
from normbench.kernels.structs import AddDesc, BufferRef, ExecutionPlan, OpCall

X = -1  # where a node stands: what the chain takes
_LINE = 64  # bytes of a line of the cache, where memory begins


class Node(NamedTuple):
    """A plan, and the nodes whose outputs it takes: one, or the two of a sum."""

    plan: Plan
    sources: tuple[int, ...]


class Program:
    """The calls of a chain in one direction: all but the addresses of tensors, and the seeds."""

    def __init__(
        self, nodes: Sequence[Node], threads: int, calls: Sequence[OpCall], kept: "_Area", scratch: "_Area"
    ) -> None:
        self.kept, self.scratch = kept.size, scratch.size  # bytes
        self._nodes = nodes  # whose layers the calls point to
        self._calls = (OpCall * len(calls))(*calls)
        num_images = nodes[0].plan.x.shape[0]
        self._chain = ExecutionPlan(num_images, threads, len(calls), ctypes.addressof(self._calls))

    def run(self, tensors: Sequence[Tensor | None], seeds: Sequence[int]) -> None:
        given = [0, *[0 if tensor is None else tensor.data_ptr() for tensor in tensors], *seeds]
        kernels = library()
        assert kernels is not None, "kernels were made without a library"
        kernels.run_plan(ctypes.byref(self._chain), words(given))


@cache
def forward_program(nodes: tuple[Node, ...], keeps: bool, threads: int) -> Program:
    """Is given x, y, what is kept, scratch, the parameters, the buffers and the seeds, in this order.

    An output is kept if the backward pass, which may come, reads it.
    """
    kept, scratch = _Area(3), _Area(4)
    own, outputs = _outputs(nodes, keeps, kept, x=1, y=2)
    steps = []
    for i, node in enumerate(nodes):
        x, *other = (outputs[source] for source in node.sources)
        images = {"x": x, "addend": other[0] if other else None, "y": outputs[i]}
        steps.append(_Step(node.plan, "forward", i, images, [x, *other], outputs[i]))
    _allocate(steps, scratch, threads)
    parameters = _numbers([node.plan.num_parameters for node in nodes], first=5)
    stored = _numbers([node.plan.num_buffers for node in nodes], first=parameters[-1].stop)
    shared = scratch.piece_a_thread(max(node.plan.shared for node in nodes), threads)
    calls = [
        _call(step, own, scratch, shared, parameters=parameters[i], buffers=stored[i], seed=stored[-1].stop + i)
        for i, step in enumerate(steps)
    ]
    return Program(nodes, threads, calls, kept, scratch)


@cache
def backward_program(nodes: tuple[Node, ...], threads: int) -> Program:
    """Is given x, y, the gradients of y and of x, what was kept, scratch, the parameters, their gradients and the
    seeds, in this order."""
    kept, scratch = _Area(5), _Area(6)
    own, outputs = _outputs(nodes, True, kept, x=1, y=2)
    like_x, like_y = nodes[0].plan.x, nodes[-1].plan.y
    # Of each output, the gradients that its readers give it; more than one are added up.
    gradients: dict[int, list[_Buffer]] = {source: [] for source in range(X, len(nodes))}
    gradients[len(nodes) - 1] = [_Buffer(like_y, _whole(3, like_y))]
    d_x = _Buffer(like_x, _whole(4, like_x))
    steps: list[_Step] = []

    def added_up(source: int, to: _Buffer) -> _Buffer:
        first, *others = gradients[source]
        for i, other in enumerate(others):
            total = to if i == len(others) - 1 else _Buffer(first.like)
            images: dict[str, _Buffer | None] = {"x": first, "addend": other, "y": total}
            steps.append(_Step(sum_of(first.like), "forward", len(nodes), images, [first, other], total))
            first = total
        return first

    for i, node in reversed(list(enumerate(nodes))):
        plan = node.plan
        d_y = added_up(i, _Buffer(plan.y))
        if len(node.sources) > 1:
            for source in node.sources:
                gradients[source].append(d_y)
            continue
        (source,) = node.sources
        alone = sum(source in other.sources for other in nodes) == 1
        to = d_x if source == X and alone else _Buffer(plan.x)
        gradients[source].append(to)
        x = outputs[source] if plan.reads_x else None
        y = outputs[i] if plan.reads_y else None
        steps.append(_Step(plan, "backward", i, {"x": x, "y": y, "dy": d_y, "dx": to}, [d_y], to))
    added_up(X, d_x)
    _allocate(steps, scratch, threads)
    parameters = _numbers([node.plan.num_parameters for node in nodes], first=7)
    of_parameters = _numbers([node.plan.num_parameters for node in nodes], first=parameters[-1].stop)
    shared = scratch.piece_a_thread(max(node.plan.shared for node in nodes), threads)
    calls = []
    for step in steps:
        i = step.node
        numbers: dict[str, Any] = {}
        if i < len(nodes):  # no sum of gradients
            seed = of_parameters[-1].stop + i
            numbers = {"parameters": parameters[i], "gradients": of_parameters[i], "seed": seed}
        calls.append(_call(step, own, scratch, shared, **numbers))
    return Program(nodes, threads, calls, kept, scratch)


class _Area:
    """Memory that is handed out piece by piece."""

    def __init__(self, given: int) -> None:
        self.given, self.size = given, 0

    def piece(self, num_bytes: int) -> BufferRef:
        at = BufferRef(self.given, self.size)
        self.size += _lines(num_bytes)
        return at

    def images(self, like: Images) -> BufferRef:
        at = self.piece(like.shape[0] * like.bytes_each)
        at.image_stride = like.bytes_each
        return at

    def piece_a_thread(self, num_bytes: int, threads: int) -> BufferRef:
        at = self.piece(threads * _lines(num_bytes))
        at.thread_stride = _lines(num_bytes)
        return at


@dataclass
class _Buffer:
    """Images on their way from the call that writes them to those that read them."""

    like: Images
    at: BufferRef | None = None  # None until there is memory for them


@dataclass
class _Step:
    """A call before there is memory for its images: which they are, by their names in graph.h, and of those not kept
    the ones it reads and the one it writes."""

    plan: Plan
    direction: str
    node: int  # whose parameters, seed, and kept memory it has
    images: dict[str, _Buffer | None]
    reads: list[_Buffer]
    writes: _Buffer


def _allocate(steps: Sequence[_Step], area: _Area, threads: int) -> None:
    """Finds memory for what a step writes and later ones read: room for one image a thread, if no reader takes several
    at once and no step between waits until it has seen all."""
    stage, written = 0, dict[int, int]()  # a stage ends where a step waits
    whole = set[int]()
    for step in steps:
        for buffer in step.reads:
            if step.plan.reads_several or written.get(id(buffer), stage) != stage:
                whole.add(id(buffer))
        stage += step.plan.reads_several
        written[id(step.writes)] = stage
    for step in steps:
        buffer = step.writes
        if buffer.at is None:
            is_whole = id(buffer) in whole
            buffer.at = area.images(buffer.like) if is_whole else area.piece_a_thread(buffer.like.bytes_each, threads)


def _call(step: _Step, own: Sequence[BufferRef], scratch: _Area, shared: BufferRef, **numbers: Any) -> OpCall:
    kernels = library()
    assert kernels is not None, "a kernel was planned without a library"
    kernel = ctypes.c_char.in_dll(kernels, f"{step.plan.name}_{step.direction}")
    nothing = BufferRef()
    images = {name: buffer.at if buffer else nothing for name, buffer in step.images.items()}
    return OpCall(
        kernel=ctypes.addressof(kernel),
        desc=ctypes.addressof(step.plan.layer),
        **images,
        saved=own[step.node] if step.node < len(own) else nothing,
        workspace=scratch.piece(step.plan.scratch),
        thread_workspace=shared,
        **{name: (*given,) if isinstance(given, range) else given for name, given in numbers.items()},
    )


def _outputs(
    nodes: Sequence[Node], keeps: bool, area: _Area, x: int, y: int
) -> tuple[list[BufferRef], dict[int, _Buffer]]:
    """Where each node keeps what it does, and its output if that is read again."""
    first, last = nodes[0].plan.x, nodes[-1].plan.y
    outputs = {X: _Buffer(first, _whole(x, first)), len(nodes) - 1: _Buffer(last, _whole(y, last))}
    own = [area.piece(node.plan.kept) for node in nodes]
    for i, node in enumerate(nodes[:-1]):
        readers = [other.plan for other in nodes if i in other.sources]
        wanted = keeps and (node.plan.reads_y or any(reader.reads_x for reader in readers))
        outputs[i] = _Buffer(node.plan.y, area.images(node.plan.y) if wanted else None)
    return own, outputs


def _whole(given: int, images: Images) -> BufferRef:
    return BufferRef(given, image_stride=images.bytes_each)


def _numbers(counts: Sequence[int], first: int) -> list[range]:
    """So many numbers each, one after the other."""
    ends = [first, *(first + end for end in accumulate(counts))]
    return [range(start, stop) for start, stop in pairwise(ends)]


def _lines(num_bytes: int) -> int:
    return -(-num_bytes // _LINE) * _LINE


def sum_of(images: Images) -> Plan:
    """The plan of a sum of two such images; a gradient of it is that of both."""
    return _sum_of(images.shape, images.dtype)


@cache
def _sum_of(shape: tuple[int, ...], dtype: torch.dtype) -> Plan:
    images = Images(shape, dtype)
    layer = AddDesc(torch.Size(shape[1:]).numel(), dtype == torch.bfloat16)
    return Plan("add", layer, images, images, reads_x=False)

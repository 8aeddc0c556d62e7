"""Execution plans of graphs: the calls of each direction in order, and the placement of the buffers between them."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from torch import Tensor

from normbench.kernels.library import library, words
from normbench.kernels.op import Op, TensorDesc
from normbench.kernels.ops.add import add
from normbench.kernels.structs import BufferRef, ExecutionPlan, OpCall

INPUT = -1  # the source of a node that takes the graph's input
_CACHE_LINE = 64  # bytes; buffers are aligned to it


class Node(NamedTuple):
    """An op, and the nodes whose outputs it takes: one, or two for a sum."""

    op: Op
    sources: tuple[int, ...]


Nodes = tuple[Node, ...]
"""A graph with one input and one output, that of the last node; sources come before the nodes that take them."""


class Executable:
    """The calls of a graph in one direction: complete but for base pointers and seeds."""

    def __init__(
        self, nodes: Nodes, threads: int, calls: Sequence[OpCall], saved: "_Arena", workspace: "_Arena"
    ) -> None:
        self.saved_bytes, self.workspace_bytes = saved.size, workspace.size
        self._nodes = nodes  # keeps the descriptors alive that the calls point to
        self._calls = (OpCall * len(calls))(*calls)
        num_images = nodes[0].op.x.shape[0]
        self._plan = ExecutionPlan(num_images, threads, len(calls), ctypes.addressof(self._calls))

    def run(self, tensors: Sequence[Tensor | None], seeds: Sequence[int]) -> None:
        """Binds base pointers and seeds, in the order that `forward_plan` or `backward_plan` states, and runs."""
        kernels = library()
        assert kernels is not None, "an op was made without a library"
        kernels.run_plan(ctypes.byref(self._plan), self.bindings(tensors, seeds))

    def bindings(self, tensors: Sequence[Tensor | None], seeds: Sequence[int]) -> "ctypes.Array[ctypes.c_uint64]":
        """Base pointers and seeds as the plan takes them; the tensors must stay alive."""
        return words([0, *[0 if tensor is None else tensor.data_ptr() for tensor in tensors], *seeds])

    @property
    def address(self) -> int:
        """Of the plan, which must stay alive."""
        return ctypes.addressof(self._plan)


@cache
def forward_plan(nodes: Nodes, with_backward: bool, threads: int) -> Executable:
    """Binds x, y, saved, workspace, all parameters, all buffers, a seed a node.

    with_backward: outputs that the backward pass reads are placed in `saved` instead of the workspace.
    """
    saved, workspace = _Arena(3), _Arena(4)
    own, outputs = _place_outputs(nodes, with_backward, saved, x=1, y=2)
    steps = []
    for i, node in enumerate(nodes):
        x, *addend = (outputs[source] for source in node.sources)
        operands = {"x": x, "addend": addend[0] if addend else None, "y": outputs[i]}
        steps.append(_Step(node.op, "forward", i, operands, [x, *addend], outputs[i]))
    _place(steps, workspace, threads)
    parameters = _indices([node.op.num_parameters for node in nodes], first=5)
    buffers = _indices([node.op.num_buffers for node in nodes], first=parameters[-1].stop)
    per_thread = workspace.allocate_per_thread(max(node.op.thread_workspace_bytes for node in nodes), threads)
    calls = [
        _call(step, own, workspace, per_thread, parameters=parameters[i], buffers=buffers[i], seed=buffers[-1].stop + i)
        for i, step in enumerate(steps)
    ]
    return Executable(nodes, threads, calls, saved, workspace)


@cache
def backward_plan(nodes: Nodes, threads: int) -> Executable:
    """Binds x, y, the gradients of y and of x, saved, workspace, all parameters, their gradients, a seed a node."""
    saved, workspace = _Arena(5), _Arena(6)
    own, outputs = _place_outputs(nodes, True, saved, x=1, y=2)
    input_desc, output_desc = nodes[0].op.x, nodes[-1].op.y
    # The gradients of each output, one from each node that reads it. Several are added up.
    gradients: dict[int, list[_Buffer]] = {source: [] for source in range(INPUT, len(nodes))}
    gradients[len(nodes) - 1] = [_Buffer(output_desc, _whole(3, output_desc))]
    dx = _Buffer(input_desc, _whole(4, input_desc))
    steps: list[_Step] = []

    def accumulated(source: int, into: _Buffer) -> _Buffer:
        """The sum of the gradients of an output; `into` receives the last partial sum."""
        total, *others = gradients[source]
        for i, other in enumerate(others):
            partial = into if i == len(others) - 1 else _Buffer(total.desc)
            operands: dict[str, _Buffer | None] = {"x": total, "addend": other, "y": partial}
            steps.append(_Step(add(total.desc), "forward", len(nodes), operands, [total, other], partial))
            total = partial
        return total

    for i, node in reversed(list(enumerate(nodes))):
        op = node.op
        dy = accumulated(i, _Buffer(op.y))
        if len(node.sources) > 1:  # a sum passes its gradient on to both sources
            for source in node.sources:
                gradients[source].append(dy)
            continue
        (source,) = node.sources
        only_reader = sum(source in other.sources for other in nodes) == 1
        into = dx if source == INPUT and only_reader else _Buffer(op.x)
        gradients[source].append(into)
        x = outputs[source] if op.backward_reads_x else None
        y = outputs[i] if op.backward_reads_y else None
        steps.append(_Step(op, "backward", i, {"x": x, "y": y, "dy": dy, "dx": into}, [dy], into))
    accumulated(INPUT, dx)
    _place(steps, workspace, threads)
    parameters = _indices([node.op.num_parameters for node in nodes], first=7)
    of_parameters = _indices([node.op.num_parameters for node in nodes], first=parameters[-1].stop)
    per_thread = workspace.allocate_per_thread(max(node.op.thread_workspace_bytes for node in nodes), threads)
    calls = []
    for step in steps:
        i = step.node
        indices: dict[str, Any] = {}
        if i < len(nodes):  # an op of the graph, not a sum of gradients
            seed = of_parameters[-1].stop + i
            indices = {"parameters": parameters[i], "gradients": of_parameters[i], "seed": seed}
        calls.append(_call(step, own, workspace, per_thread, **indices))
    return Executable(nodes, threads, calls, saved, workspace)


class _Arena:
    """A bump allocator: buffers placed one after the other behind one base pointer."""

    def __init__(self, base: int) -> None:
        self.base, self.size = base, 0

    def allocate(self, num_bytes: int) -> BufferRef:
        at = BufferRef(self.base, self.size)
        self.size += _aligned(num_bytes)
        return at

    def allocate_batch(self, desc: TensorDesc) -> BufferRef:
        """Room for all images of the batch."""
        at = self.allocate(desc.shape[0] * desc.image_bytes)
        at.image_stride = desc.image_bytes
        return at

    def allocate_per_thread(self, num_bytes: int, threads: int) -> BufferRef:
        at = self.allocate(threads * _aligned(num_bytes))
        at.thread_stride = _aligned(num_bytes)
        return at


@dataclass
class _Buffer:
    """An activation or its gradient, from the step that writes it to the steps that read it."""

    desc: TensorDesc
    at: BufferRef | None = None  # None until `_place`


@dataclass
class _Step:
    """An op in the schedule before its buffers are placed: operands by role, inputs and output for liveness."""

    op: Op
    direction: str
    node: int  # whose parameters, saved memory and seed the op takes
    operands: dict[str, _Buffer | None]
    reads: list[_Buffer]
    writes: _Buffer


def _place(steps: Sequence[_Step], arena: _Arena, threads: int) -> None:
    """Places the outputs that have no place yet.

    An output needs room for one image a thread only, unless a reader takes several images at once or comes after a
    barrier.
    """
    stage, written_in = 0, dict[int, int]()  # a barrier ends a stage
    needs_batch = set[int]()
    for step in steps:
        for buffer in step.reads:
            if step.op.reads_whole_batch or written_in.get(id(buffer), stage) != stage:
                needs_batch.add(id(buffer))
        stage += step.op.reads_whole_batch
        written_in[id(step.writes)] = stage
    for step in steps:
        out = step.writes
        if out.at is None:
            whole = id(out) in needs_batch
            out.at = (
                arena.allocate_batch(out.desc) if whole else arena.allocate_per_thread(out.desc.image_bytes, threads)
            )


def _call(step: _Step, own: Sequence[BufferRef], workspace: _Arena, per_thread: BufferRef, **indices: Any) -> OpCall:
    kernels = library()
    assert kernels is not None, "an op was made without a library"
    kernel = ctypes.c_char.in_dll(kernels, f"{step.op.name}_{step.direction}")
    nothing = BufferRef()
    operands = {role: buffer.at if buffer else nothing for role, buffer in step.operands.items()}
    return OpCall(
        kernel=ctypes.addressof(kernel),
        desc=ctypes.addressof(step.op.desc),
        **operands,
        saved=own[step.node] if step.node < len(own) else nothing,
        workspace=workspace.allocate(step.op.workspace_bytes),
        thread_workspace=per_thread,
        **{role: (*index,) if isinstance(index, range) else index for role, index in indices.items()},
    )


def _place_outputs(
    nodes: Nodes, with_backward: bool, saved: _Arena, x: int, y: int
) -> tuple[list[BufferRef], dict[int, _Buffer]]:
    """What each node saves for backward, and its output; in `saved` too if the backward pass reads it.

    x, y: the indices of the base pointers of the graph's input and output.
    """
    input_desc, output_desc = nodes[0].op.x, nodes[-1].op.y
    outputs = {
        INPUT: _Buffer(input_desc, _whole(x, input_desc)),
        len(nodes) - 1: _Buffer(output_desc, _whole(y, output_desc)),
    }
    own = [saved.allocate(node.op.saved_bytes) for node in nodes]
    for i, node in enumerate(nodes[:-1]):
        readers = [other.op for other in nodes if i in other.sources]
        is_saved = with_backward and (node.op.backward_reads_y or any(reader.backward_reads_x for reader in readers))
        outputs[i] = _Buffer(node.op.y, saved.allocate_batch(node.op.y) if is_saved else None)
    return own, outputs


def _whole(base: int, desc: TensorDesc) -> BufferRef:
    return BufferRef(base, image_stride=desc.image_bytes)


def _indices(counts: Sequence[int], first: int) -> list[range]:
    """For each count as many indices in the pointer table, one after the other from `first`."""
    ends = [first, *(first + end for end in accumulate(counts))]
    return [range(start, stop) for start, stop in pairwise(ends)]


def _aligned(num_bytes: int) -> int:
    return -(-num_bytes // _CACHE_LINE) * _CACHE_LINE

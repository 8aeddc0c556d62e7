"""Layers that kernels compute one after the other: image by image, in one call, and as one operation to autograd.

What a kernel writes the next one finds in the cache, and between the two nothing else runs: in a small network, coming
back to Python takes as long as many a kernel does.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normbench.kernels.library import library, words

LANES = 16
DTYPES = (torch.float32, torch.bfloat16)
_LINE = 64  # bytes of a line of the cache, where memory begins


class Images(NamedTuple):
    """Activations [N, C, H, W] as kernels take them: on the CPU and in channels_last."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    values: Tensor | None = None  # None where they are yet to be computed

    @property
    def bytes_each(self) -> int:
        return torch.Size(self.shape[1:]).numel() * self.dtype.itemsize

    def empty(self) -> Tensor:
        return torch.empty(self.shape, dtype=self.dtype, memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class Plan:
    """All of a kernel that is the same in each step; it is kept, since to make one takes longer than a small layer."""

    name: str  # name_forward and name_backward are what chain.h calls kernels
    layer: ctypes.Structure
    x: Images  # without values
    y: Images
    num_parameters: int = 0
    num_buffers: int = 0
    kept: int = 0  # bytes
    scratch: int = 0  # bytes, in either direction
    shared: int = 0  # bytes a thread
    reads_x: bool = True  # in the backward pass
    reads_y: bool = False
    reads_several: bool = False  # images at once: of x in the forward pass or of the gradient of y in the backward pass


class Kernel(NamedTuple):
    """A layer with its parameters, ready to run."""

    plan: Plan
    parameters: tuple[Tensor, ...] = ()  # float32 without gaps; each gets a gradient with its strides
    buffers: tuple[Tensor, ...] = ()
    seed: Callable[[], int] | None = None  # draws a number below 2^64 whenever the kernel runs forward


class Branches(NamedTuple):
    """Two rows of kernels, neither empty, that take the same images; what goes on is the sum of their outputs."""

    first: "Row"
    second: "Row"


Row = Sequence[Kernel | Branches]


def images_of(x: Tensor) -> Images | None:
    """None where there are no kernels, or none for such a tensor."""
    if (
        x.dim() != 4
        or x.device.type != "cpu"
        or x.dtype not in DTYPES
        or x.numel() == 0
        or not x.is_contiguous(memory_format=torch.channels_last)
        or library() is None
    ):
        return None
    return Images(x.shape, x.dtype, x)


def run(x: Tensor, *row: Kernel | Branches) -> Tensor:
    """The last one's output, where each takes that of the one before, and the first x."""
    nodes, kernels = _unrolled(row)
    parameters = [parameter for kernel in kernels for parameter in kernel.parameters]
    out: Tensor = _Chain.apply(x, nodes, kernels, torch.is_grad_enabled(), *parameters)
    return out


class _Node(NamedTuple):
    """A plan, and the nodes whose outputs it takes: one, or the two of a sum; X is what the chain takes."""

    plan: Plan
    sources: tuple[int, ...]


X = -1


def _unrolled(row: Row) -> tuple[tuple[_Node, ...], list[Kernel]]:
    """In the order of their calls, the last one's output being that of the row; and the kernels of the same order."""
    nodes: list[_Node] = []
    kernels: list[Kernel] = []

    def append(kernel: Kernel, *sources: int) -> int:
        nodes.append(_Node(kernel.plan, sources))
        kernels.append(kernel)
        return len(nodes) - 1

    def unroll(row: Row, source: int) -> int:
        for item in row:
            if isinstance(item, Branches):
                ends = [unroll(branch, source) for branch in item]
                source = append(Kernel(sum_of(nodes[ends[0]].plan.y)), *ends)
            else:
                source = append(item, source)
        return source

    unroll(row, X)
    return tuple(nodes), kernels


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, nodes: tuple[_Node, ...], kernels: Sequence[Kernel], keeps: bool, *parameters: Tensor
    ) -> Tensor:
        program = _forward_program(nodes, keeps, torch.get_num_threads())
        first, last = nodes[0].plan, nodes[-1].plan
        y, kept, scratch = last.y.empty(), _memory(program.kept), _memory(program.scratch)
        buffers = [buffer for kernel in kernels for buffer in kernel.buffers]
        seeds = [0 if kernel.seed is None else kernel.seed() for kernel in kernels]
        program.run([x, y, kept, scratch, *parameters, *buffers], seeds)
        reads_x = any(node.plan.reads_x for node in nodes if X in node.sources)
        ctx.save_for_backward(x if reads_x else None, y if last.reads_y else None, kept, *parameters)
        ctx.nodes, ctx.seeds, ctx.like_x = nodes, seeds, first.x
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, y, kept, *parameters = ctx.saved_tensors
        program = _backward_program(ctx.nodes, torch.get_num_threads())
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        d_x, scratch = ctx.like_x.empty(), _memory(program.scratch)
        gradients = [torch.empty_like(parameter) for parameter in parameters]
        program.run([x, y, d_y, d_x, kept, scratch, *parameters, *gradients], ctx.seeds)
        wanted = ctx.needs_input_grad
        of_parameters = (part if wants else None for part, wants in zip(gradients, wanted[4:], strict=True))
        return d_x if wanted[0] else None, None, None, None, *of_parameters


class _Reference(ctypes.Structure):
    """`Reference` in chain.cpp."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("given", "offset", "per_image", "per_thread"))


class _Call(ctypes.Structure):
    """`Call` in chain.cpp."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("layer", ctypes.c_void_p),
        *((name, _Reference) for name in ("x", "other", "y", "d_y", "d_x", "kept", "scratch", "shared")),
        ("parameters", ctypes.c_int64 * 2),
        ("gradients", ctypes.c_int64 * 2),
        ("buffers", ctypes.c_int64 * 3),
        ("seed", ctypes.c_int64),
    )


class _ChainOfCalls(ctypes.Structure):
    """`Chain` in chain.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "threads", "count")),
        ("calls", ctypes.c_void_p),
    )


class _Program:
    """The calls of a chain in one direction: all but the addresses of tensors, and the seeds."""

    def __init__(
        self, nodes: Sequence[_Node], threads: int, calls: Sequence[_Call], kept: "_Area", scratch: "_Area"
    ) -> None:
        self.kept, self.scratch = kept.size, scratch.size  # bytes
        self._nodes = nodes  # whose layers the calls point to
        self._calls = (_Call * len(calls))(*calls)
        num_images = nodes[0].plan.x.shape[0]
        self._chain = _ChainOfCalls(num_images, threads, len(calls), ctypes.addressof(self._calls))

    def run(self, tensors: Sequence[Tensor | None], seeds: Sequence[int]) -> None:
        given = [0, *[0 if tensor is None else tensor.data_ptr() for tensor in tensors], *seeds]
        kernels = library()
        assert kernels is not None, "kernels were made without a library"
        kernels.run(ctypes.byref(self._chain), words(given))


class _Area:
    """Memory that is handed out piece by piece."""

    def __init__(self, given: int) -> None:
        self.given, self.size = given, 0

    def piece(self, num_bytes: int) -> _Reference:
        at = _Reference(self.given, self.size)
        self.size += _lines(num_bytes)
        return at

    def images(self, like: Images) -> _Reference:
        at = self.piece(like.shape[0] * like.bytes_each)
        at.per_image = like.bytes_each
        return at

    def piece_a_thread(self, num_bytes: int, threads: int) -> _Reference:
        at = self.piece(threads * _lines(num_bytes))
        at.per_thread = _lines(num_bytes)
        return at


@dataclass
class _Buffer:
    """Images on their way from the call that writes them to those that read them."""

    like: Images
    at: _Reference | None = None  # None until there is memory for them


@dataclass
class _Step:
    """A call with its buffers: `reads` and `writes` say in which order of time."""

    plan: Plan
    direction: str
    node: int  # whose parameters, seed, and kept memory it has
    buffers: dict[str, _Buffer | None]
    reads: list[_Buffer]
    writes: _Buffer

    @property
    def waits(self) -> bool:
        return self.plan.reads_several


def _allocate(steps: Sequence[_Step], area: _Area, threads: int) -> None:
    """Finds memory for what a step writes and later ones read: room for one image a thread, if between the two no step
    waits for all images and none reads several at once."""
    stage, written = 0, dict[int, int]()  # stages end where a step waits
    whole = set[int]()
    for step in steps:
        for buffer in step.reads:
            if step.waits or written.get(id(buffer), stage) != stage:
                whole.add(id(buffer))
        stage += step.waits
        written[id(step.writes)] = stage
    for step in steps:
        buffer = step.writes
        if buffer.at is None:
            images = id(buffer) in whole
            buffer.at = area.images(buffer.like) if images else area.piece_a_thread(buffer.like.bytes_each, threads)


@cache
def _forward_program(nodes: tuple[_Node, ...], keeps: bool, threads: int) -> _Program:
    """Is given x, y, what is kept, scratch, the parameters, the buffers and the seeds, in this order.

    An output is kept if the backward pass, which may come, reads it.
    """
    kept, scratch = _Area(3), _Area(4)
    own, outputs = _outputs(nodes, keeps, kept, x=1, y=2)
    steps = []
    for i, node in enumerate(nodes):
        x, *other = (outputs[source] for source in node.sources)
        buffers = {"x": x, "other": other[0] if other else None, "y": outputs[i]}
        steps.append(_Step(node.plan, "forward", i, buffers, [x, *other], outputs[i]))
    _allocate(steps, scratch, threads)
    parameters = _numbers([node.plan.num_parameters for node in nodes], first=5)
    stored = _numbers([node.plan.num_buffers for node in nodes], first=parameters[-1].stop)
    shared = scratch.piece_a_thread(max(node.plan.shared for node in nodes), threads)
    calls = [
        _call(step, own, scratch, shared, parameters=parameters[i], buffers=stored[i], seed=stored[-1].stop + i)
        for i, step in enumerate(steps)
    ]
    return _Program(nodes, threads, calls, kept, scratch)


@cache
def _backward_program(nodes: tuple[_Node, ...], threads: int) -> _Program:
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
            buffers: dict[str, _Buffer | None] = {"x": first, "other": other, "y": total}
            steps.append(_Step(sum_of(first.like), "forward", len(nodes), buffers, [first, other], total))
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
        steps.append(_Step(plan, "backward", i, {"x": x, "y": y, "d_y": d_y, "d_x": to}, [d_y], to))
    added_up(X, d_x)
    _allocate(steps, scratch, threads)
    parameters = _numbers([node.plan.num_parameters for node in nodes], first=7)
    of_parameters = _numbers([node.plan.num_parameters for node in nodes], first=parameters[-1].stop)
    shared = scratch.piece_a_thread(max(node.plan.shared for node in nodes), threads)
    calls = []
    for step in steps:
        if step.direction == "forward":
            calls.append(_call(step, own, scratch, shared))
        else:
            i = step.node
            seed = of_parameters[-1].stop + i
            calls.append(
                _call(step, own, scratch, shared, parameters=parameters[i], gradients=of_parameters[i], seed=seed)
            )
    return _Program(nodes, threads, calls, kept, scratch)


def _call(step: _Step, own: Sequence[_Reference], scratch: _Area, shared: _Reference, **numbers: Any) -> _Call:
    kernels = library()
    assert kernels is not None, "a kernel was planned without a library"
    kernel = ctypes.c_char.in_dll(kernels, f"{step.plan.name}_{step.direction}")
    nothing = _Reference()
    images = {name: buffer.at if buffer else nothing for name, buffer in step.buffers.items()}
    return _Call(
        kernel=ctypes.addressof(kernel),
        layer=ctypes.addressof(step.plan.layer),
        **images,
        kept=own[step.node] if step.node < len(own) else nothing,
        scratch=scratch.piece(step.plan.scratch),
        shared=shared,
        **{name: (*given,) if isinstance(given, range) else given for name, given in numbers.items()},
    )


def _outputs(
    nodes: Sequence[_Node], keeps: bool, area: _Area, x: int, y: int
) -> tuple[list[_Reference], dict[int, _Buffer]]:
    """Where each node keeps what it does, and its output if that is read again."""
    first, last = nodes[0].plan.x, nodes[-1].plan.y
    outputs = {X: _Buffer(first, _whole(x, first)), len(nodes) - 1: _Buffer(last, _whole(y, last))}
    own = [area.piece(node.plan.kept) for node in nodes]
    for i, node in enumerate(nodes[:-1]):
        readers = [other.plan for other in nodes if i in other.sources]
        wanted = keeps and (node.plan.reads_y or any(reader.reads_x for reader in readers))
        outputs[i] = _Buffer(node.plan.y, area.images(node.plan.y) if wanted else None)
    return own, outputs


def _whole(given: int, images: Images) -> _Reference:
    return _Reference(given, per_image=images.bytes_each)


def _numbers(counts: Sequence[int], first: int) -> list[range]:
    """So many numbers each, one after the other."""
    ends = [first, *(first + end for end in accumulate(counts))]
    return [range(start, stop) for start, stop in pairwise(ends)]


def _lines(num_bytes: int) -> int:
    return -(-num_bytes // _LINE) * _LINE


def _memory(num_bytes: int) -> Tensor:
    return torch.empty(num_bytes, dtype=torch.uint8)


class _Sum(ctypes.Structure):
    """`Sum` in pointwise.cpp."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("count", "bf16"))


def sum_of(images: Images) -> Plan:
    """The plan of a sum of two such images; a gradient of it is that of both."""
    return _sum_of(images.shape, images.dtype)


@cache
def _sum_of(shape: tuple[int, ...], dtype: torch.dtype) -> Plan:
    images = Images(shape, dtype)
    layer = _Sum(torch.Size(shape[1:]).numel(), dtype == torch.bfloat16)
    return Plan("sum", layer, images, images, reads_x=False)

"""Layers that kernels compute one after the other: image by image, in one call, and as one operation to autograd.

What a kernel writes the next one finds in the cache, and between the two nothing else runs: in a small network, coming
back to Python takes as long as many a kernel does.
"""

import ctypes
from collections.abc import Sequence
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
_MOST = 32  # kernels of a chain
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
    reads_x: bool = True  # in the backward pass
    reads_y: bool = False
    reads_several: bool = False  # images at once: of x in the forward pass or of the gradient of y in the backward pass


class Kernel(NamedTuple):
    """A layer with its parameters, ready to run."""

    plan: Plan
    parameters: tuple[Tensor, ...] = ()  # float32 without gaps; each gets a gradient with its strides
    buffers: tuple[Tensor, ...] = ()
    seed: int = 0  # below 2^64


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


def run(x: Tensor, *kernels: Kernel) -> Tensor:
    """The last one's output, where each takes that of the one before, and the first x."""
    for start in range(0, len(kernels), _MOST):
        chain = kernels[start : start + _MOST]
        parameters = [parameter for kernel in chain for parameter in kernel.parameters]
        x = _Chain.apply(x, chain, torch.is_grad_enabled(), *parameters)
    return x


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: tuple[Kernel, ...], keeps: bool, *parameters: Tensor) -> Tensor:
        plans = tuple([kernel.plan for kernel in kernels])
        program = _forward_program(plans, keeps, torch.get_num_threads())
        y, kept, scratch = plans[-1].y.empty(), _memory(program.kept), _memory(program.scratch)
        buffers = [buffer for kernel in kernels for buffer in kernel.buffers]
        seeds = [kernel.seed for kernel in kernels]
        program.run([x, y, kept, scratch, *parameters, *buffers], seeds)
        ctx.save_for_backward(x if plans[0].reads_x else None, y if plans[-1].reads_y else None, kept, *parameters)
        ctx.plans, ctx.seeds = plans, seeds
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, y, kept, *parameters = ctx.saved_tensors
        program = _backward_program(ctx.plans, torch.get_num_threads())
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        d_x, scratch = ctx.plans[0].x.empty(), _memory(program.scratch)
        gradients = [torch.empty_like(parameter) for parameter in parameters]
        program.run([x, y, d_y, d_x, kept, scratch, *parameters, *gradients], ctx.seeds)
        wanted = ctx.needs_input_grad
        of_parameters = (part if wants else None for part, wants in zip(gradients, wanted[3:], strict=True))
        return d_x if wanted[0] else None, None, None, *of_parameters


class _Reference(ctypes.Structure):
    """`Reference` in chain.cpp."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("given", "offset", "per_image", "per_thread"))


class _Call(ctypes.Structure):
    """`Call` in chain.cpp."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("layer", ctypes.c_void_p),
        *((name, _Reference) for name in ("x", "y", "d_y", "d_x", "kept", "scratch")),
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

    def __init__(self, plans: Sequence[Plan], threads: int, calls: Sequence[_Call], kept: int, scratch: int) -> None:
        self.kept, self.scratch = kept, scratch  # bytes
        self._plans = plans  # whose layers the calls point to
        self._calls = (_Call * len(calls))(*calls)
        self._chain = _ChainOfCalls(plans[0].x.shape[0], threads, len(calls), ctypes.addressof(self._calls))

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

    def image_a_thread(self, like: Images, threads: int) -> _Reference:
        at = self.piece(threads * _lines(like.bytes_each))
        at.per_thread = _lines(like.bytes_each)
        return at


@cache
def _forward_program(plans: tuple[Plan, ...], keeps: bool, threads: int) -> _Program:
    """Is given x, y, what is kept, scratch, the parameters, the buffers and the seeds, in this order.

    An output is kept if the backward pass, which may come, reads it.
    """
    x, y, kept, scratch = _whole(1, plans[0].x), _whole(2, plans[-1].y), _Area(3), _Area(4)
    own, outputs = _kept(plans, keeps, kept)
    images = [x]
    for output, (plan, reader) in zip(outputs, pairwise(plans), strict=True):
        images.append(output or _passed_on(plan.y, reader, scratch, threads))
    images.append(y)
    parameters = _numbers([plan.num_parameters for plan in plans], first=5)
    buffers = _numbers([plan.num_buffers for plan in plans], first=parameters[-1].stop)
    calls = [
        _Call(
            *_addresses(plan, "forward"),
            x=images[i],
            y=images[i + 1],
            kept=own[i],
            scratch=scratch.piece(plan.scratch),
            parameters=(*parameters[i],),
            buffers=(*buffers[i],),
            seed=buffers[-1].stop + i,
        )
        for i, plan in enumerate(plans)
    ]
    return _Program(plans, threads, calls, kept.size, scratch.size)


@cache
def _backward_program(plans: tuple[Plan, ...], threads: int) -> _Program:
    """Is given x, y, the gradients of y and of x, what was kept, scratch, the parameters, their gradients and the
    seeds, in this order."""
    first, last = plans[0].x, plans[-1].y
    x, y, d_y, d_x = _whole(1, first), _whole(2, last), _whole(3, last), _whole(4, first)
    kept, scratch = _Area(5), _Area(6)
    own, outputs = _kept(plans, True, kept)
    images = [x, *outputs, y]
    gradients = [d_x, *(_passed_on(plan.y, plan, scratch, threads) for plan in plans[:-1]), d_y]
    parameters = _numbers([plan.num_parameters for plan in plans], first=7)
    of_parameters = _numbers([plan.num_parameters for plan in plans], first=parameters[-1].stop)
    nothing = _Reference()
    calls = [
        _Call(
            *_addresses(plan, "backward"),
            x=images[i] if plan.reads_x else nothing,
            y=images[i + 1] if plan.reads_y else nothing,
            d_y=gradients[i + 1],
            d_x=gradients[i],
            kept=own[i],
            scratch=scratch.piece(plan.scratch),
            parameters=(*parameters[i],),
            gradients=(*of_parameters[i],),
            seed=of_parameters[-1].stop + i,
        )
        for i, plan in enumerate(plans)
    ]
    return _Program(plans, threads, calls[::-1], kept.size, scratch.size)


def _kept(plans: Sequence[Plan], keeps: bool, area: _Area) -> tuple[list[_Reference], list[_Reference | None]]:
    """Where each kernel keeps what it does, and its output for the next one: None where nobody reads it again."""
    own = [area.piece(plan.kept) for plan in plans]
    outputs = [
        area.images(plan.y) if keeps and (plan.reads_y or behind.reads_x) else None for plan, behind in pairwise(plans)
    ]
    return own, outputs


def _passed_on(images: Images, reader: Plan, area: _Area, threads: int) -> _Reference:
    """Where images are passed on to their one reader: room for one a thread, if it reads no more at a time."""
    return area.images(images) if reader.reads_several else area.image_a_thread(images, threads)


def _whole(given: int, images: Images) -> _Reference:
    return _Reference(given, per_image=images.bytes_each)


def _numbers(counts: Sequence[int], first: int) -> list[range]:
    """So many numbers each, one after the other."""
    ends = [first, *(first + end for end in accumulate(counts))]
    return [range(start, stop) for start, stop in pairwise(ends)]


def _addresses(plan: Plan, direction: str) -> tuple[int, int]:
    kernels = library()
    assert kernels is not None, "a kernel was planned without a library"
    kernel = ctypes.c_char.in_dll(kernels, f"{plan.name}_{direction}")
    return ctypes.addressof(kernel), ctypes.addressof(plan.layer)


def _lines(num_bytes: int) -> int:
    return -(-num_bytes // _LINE) * _LINE


def _memory(num_bytes: int) -> Tensor:
    return torch.empty(num_bytes, dtype=torch.uint8)

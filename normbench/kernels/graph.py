"""Layers that kernels compute one after the other: image by image, in one call, and as one operation to autograd.

What a kernel writes the next one finds in the cache, and between the two nothing else runs: in a small network, coming
back to Python takes as long as many a kernel does.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normbench.kernels.library import library
from normbench.kernels.op import DTYPES, Images, Plan
from normbench.kernels.schedule import Node, X, backward_program, forward_program, sum_of


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


def _unrolled(row: Row) -> tuple[tuple[Node, ...], list[Kernel]]:
    """In the order of their calls, the last one's output being that of the row; and the kernels of the same order."""
    nodes: list[Node] = []
    kernels: list[Kernel] = []

    def append(kernel: Kernel, *sources: int) -> int:
        nodes.append(Node(kernel.plan, sources))
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
        ctx: Any, x: Tensor, nodes: tuple[Node, ...], kernels: Sequence[Kernel], keeps: bool, *parameters: Tensor
    ) -> Tensor:
        program = forward_program(nodes, keeps, torch.get_num_threads())
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
        program = backward_program(ctx.nodes, torch.get_num_threads())
        d_y = d_y.contiguous(memory_format=torch.channels_last)
        d_x, scratch = ctx.like_x.empty(), _memory(program.scratch)
        gradients = [torch.empty_like(parameter) for parameter in parameters]
        program.run([x, y, d_y, d_x, kept, scratch, *parameters, *gradients], ctx.seeds)
        wanted = ctx.needs_input_grad
        of_parameters = (part if wants else None for part, wants in zip(gradients, wanted[4:], strict=True))
        return d_x if wanted[0] else None, None, None, None, *of_parameters


def _memory(num_bytes: int) -> Tensor:
    return torch.empty(num_bytes, dtype=torch.uint8)

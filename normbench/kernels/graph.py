"""Running a graph of ops: in one call, image by image, and as one operation to autograd.

What an op writes, the next one finds in the cache. Between two ops nothing else runs: in a small network, a return to
Python takes as long as many an op does.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from normbench.kernels.eager import is_batched, is_eager, is_plain
from normbench.kernels.schedule import INPUT, Nodes, backward_plan, forward_plan


def run(
    x: Tensor, nodes: Nodes, parameters: Sequence[Tensor], buffers: Sequence[Tensor] = (), seeds: Sequence[int] = ()
) -> Tensor:
    """The output of the graph for x, which `nodes[0].op.x` describes.

    parameters, buffers: of all nodes in their order, as the ops declare them. seeds: for each node the seed of its
    dropout mask, below 2^64; none for zeros.
    """
    seeds = seeds or [0] * len(nodes)
    y: Tensor = _Fused.apply(x, nodes, buffers, seeds, torch.is_grad_enabled(), *parameters)
    return y


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        nodes: Nodes,
        buffers: Sequence[Tensor],
        seeds: Sequence[int],
        with_backward: bool,
        *parameters: Tensor,
    ) -> Tensor:
        plan = forward_plan(nodes, with_backward, torch.get_num_threads())
        last = nodes[-1].op
        y, saved, workspace = last.y.empty(), memory(plan.saved_bytes), memory(plan.workspace_bytes)
        plan.run([x, y, saved, workspace, *parameters, *buffers], seeds)
        reads_x = any(node.op.backward_reads_x for node in nodes if INPUT in node.sources)
        ctx.save_for_backward(x if reads_x else None, y if last.backward_reads_y else None, saved, *parameters)
        ctx.nodes, ctx.seeds = nodes, seeds
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or not is_eager() or not is_plain(dy) or is_batched(dy):
            raise RuntimeError(
                "normbench's kernels have first derivatives by `backward` only: for others, such as with "
                "create_graph=True, call the network within `normbench.kernels.without_kernels()`"
            )
        x, y, saved, *parameters = ctx.saved_tensors
        plan = backward_plan(ctx.nodes, torch.get_num_threads())
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx, workspace = ctx.nodes[0].op.x.empty(), memory(plan.workspace_bytes)
        gradients = [torch.empty_like(parameter) for parameter in parameters]
        plan.run([x, y, dy, dx, saved, workspace, *parameters, *gradients], ctx.seeds)
        wanted = ctx.needs_input_grad
        of_parameters = (part if wants else None for part, wants in zip(gradients, wanted[5:], strict=True))
        return dx if wanted[0] else None, None, None, None, None, *of_parameters


def memory(num_bytes: int) -> Tensor:
    """Bytes whose contents are undefined."""
    return torch.empty(num_bytes, dtype=torch.uint8)

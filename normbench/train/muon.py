"""Muon: momentum whose update is orthogonalized, for the filters of convs; plain SGD for all else."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, optim

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(optim.SGD):
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) on conv filters, SGD with Nesterov on the rest.

    For a filter bank W [out, in, k, k] with gradient G, at each step

        M <- momentum M + G
        W <- W sqrt(out) / |W|_F  -  lr orthogonalize(G + momentum M)

    with both seen as [out, in k k] matrices. The rescaling is the one of KellerJordan/cifar10-airbench: what follows
    is normalized, so the length of W matters only relative to lr.

    Args:
        filters: the filter banks.
        groups: parameter groups for SGD, as `torch.optim.SGD` takes them.
        lr, momentum: of Muon.
    """

    def __init__(self, filters: list[Tensor], groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        # To SGD the filters are a group without momentum: it applies the update that `step` puts into their `grad`.
        orthogonal = {"params": filters, "lr": lr, "muon_momentum": momentum, "momentum": 0.0, "nesterov": False}
        super().__init__([orthogonal, *groups], lr=lr, foreach=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        momentum = group["muon_momentum"]
        by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for weight in group["params"]:
            by_shape[weight.shape].append(weight)
        for shape, weights in by_shape.items():
            directions = []
            for weight in weights:
                gradient = weight.grad
                assert gradient is not None, "every filter takes part in every forward pass"
                if "muon_momentum_buffer" not in self.state[weight]:
                    self.state[weight]["muon_momentum_buffer"] = torch.zeros_like(weight)
                buffer = self.state[weight]["muon_momentum_buffer"].mul_(momentum).add_(gradient)
                directions.append(gradient.add(buffer, alpha=momentum).flatten(1))
            updates = orthogonalize(torch.stack(directions))
            for weight, update in zip(weights, updates, strict=True):
                weight.mul_(shape[0] ** 0.5 / weight.norm())
                weight.grad = update.view(shape).contiguous(memory_format=torch.preserve_format)
        super().step(closure)


def orthogonalize(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: singular values end between 0.7 and 1.2. [n, rows, columns].

    Five steps of a quintic Newton-Schulz iteration, X <- a X + b (X Xᵀ) X + c (X Xᵀ)² X, from X = G / |G|_F.
    """
    a, b, c = COEFFICIENTS
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x

"""Muon: momentum whose update is orthogonalized, for the filters of convs; plain SGD for all else."""

from collections.abc import Callable, Sequence
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
        filters: list[Tensor] = group["params"]
        gradients = [_gradient(weight) for weight in filters]
        for weight in filters:
            if "muon_momentum_buffer" not in self.state[weight]:
                self.state[weight]["muon_momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[weight]["muon_momentum_buffer"] for weight in filters]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        directions = torch._foreach_add(gradients, buffers, alpha=momentum)
        updates = orthogonalize([direction.flatten(1) for direction in directions])
        torch._foreach_div_(filters, torch._foreach_norm(filters))
        torch._foreach_mul_(filters, [len(weight) ** 0.5 for weight in filters])
        for weight, update in zip(filters, updates, strict=True):
            weight.grad = torch.empty_like(weight).copy_(update.view(weight.shape))
        super().step(closure)


def orthogonalize(matrices: Sequence[Tensor]) -> list[Tensor]:
    """The nearest semi-orthogonal matrices, roughly: singular values end between 0.7 and 1.2. Shapes stay.

    Five steps of a quintic Newton-Schulz iteration, X <- P X with P = a I + b (X Xᵀ) + c (X Xᵀ)², from X = G / |G|_F.
    """
    if not matrices:
        return []
    a, b, c = COEFFICIENTS
    wide = [matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT for matrix in matrices]
    rows, columns = (max(sizes) for sizes in zip(*(matrix.shape for matrix in wide), strict=True))
    # All matrices in one frame of zeros, which stay zero: at this size calls cost more than arithmetic. The iteration
    # needs X only in X Xᵀ, which becomes P (X Xᵀ) P: it runs on these small squares and collects the product of the P.
    frame = torch.zeros(len(wide), rows, columns, dtype=matrices[0].dtype, device=matrices[0].device)
    for place, matrix in zip(frame, wide, strict=True):
        place[: matrix.shape[0], : matrix.shape[1]] = matrix
    frame /= frame.norm(dim=(1, 2), keepdim=True) + 1e-7
    identity = torch.eye(rows, dtype=frame.dtype, device=frame.device).expand(len(wide), rows, rows)
    gram, product = frame @ frame.mT, identity
    for _ in range(ITERATIONS):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + a * identity
        gram, product = factor @ gram @ factor, factor @ product
    cut = [full[: matrix.shape[0], : matrix.shape[1]] for full, matrix in zip(product @ frame, wide, strict=True)]
    return [result if result.shape == matrix.shape else result.mT for result, matrix in zip(cut, matrices, strict=True)]


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None, "every filter takes part in every forward pass"
    return weight.grad

"""Muon: momentum with an orthogonalized update, for the filters of convs; SGD for all other parameters."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, optim

from normbench.kernels.muon import bind_muon
from normbench.kernels.update import Update, update_of
from normbench.train.optimizers.light import Light
from normbench.train.optimizers.sgd import bind_group, momentum_buffers

BUFFER = "muon_momentum_buffer"
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(Light, optim.SGD):
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
        # For SGD the filters are a group without momentum: it applies what `_update` writes into their `grad`.
        orthogonal = {"params": filters, "lr": lr, "muon_momentum": momentum, "momentum": 0.0, "nesterov": False}
        super().__init__([orthogonal, *groups], lr=lr, fused=True)
        self._frame: Frame | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._frame = None  # a copied optimizer may have other filters

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        update = self.update()
        if update is not None:
            update.set_lrs([group["lr"] for group in self.param_groups])
            update.step()
            return
        group = self.param_groups[0]
        filters: list[Tensor] = group["params"]
        if filters:
            buffers = momentum_buffers(filters, self.state, BUFFER)
            self._update(filters, [_gradient(weight) for weight in filters], buffers, group["muon_momentum"])
        super().step(closure)

    def update(self) -> Update | None:
        """The step as a call of the kernels, bound to the present gradients; None where PyTorch takes it."""
        group, *others = self.param_groups
        filters: list[Tensor] = group["params"]
        muon = bind_muon(
            filters,
            [_gradient(weight) for weight in filters],
            momentum_buffers(filters, self.state, BUFFER),
            momentum=group["muon_momentum"],
            iterations=ITERATIONS,
            coefficients=COEFFICIENTS,
        )
        return update_of([muon, *(bind_group(other, self.state) for other in others)])

    def _update(self, filters: list[Tensor], gradients: list[Tensor], buffers: list[Tensor], momentum: float) -> None:
        """Scales the filters, and overwrites their gradients with the updates."""
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        torch._foreach_add_(gradients, buffers, alpha=momentum)
        if self._frame is None or len(self._frame.places) != len(filters):
            self._frame = Frame(filters)
        torch._foreach_copy_(gradients, self._frame.orthogonalized(gradients))
        torch._foreach_div_(filters, torch._foreach_norm(filters))
        torch._foreach_mul_(filters, [len(weight) ** 0.5 for weight in filters])


class Frame:
    """Matrices of several shapes in one tensor, padded with zeros: at this size calls cost more than arithmetic.

    Filter banks [out, in, k, k] are seen as [out, in k k], transposed where that is taller than wide.
    """

    def __init__(self, filters: Sequence[Tensor]) -> None:
        sizes = [sorted((len(bank), bank[0].numel())) for bank in filters]
        rows, columns = (max(size) for size in zip(*sizes, strict=True))
        self.matrices, self.results = (filters[0].new_zeros(len(filters), rows, columns) for _ in range(2))
        self.places, self.result_places = (
            [_place(matrix, bank.shape) for matrix, bank in zip(matrices, filters, strict=True)]
            for matrices in (self.matrices, self.results)
        )
        self.linear = COEFFICIENTS[0] * torch.eye(rows, dtype=self.matrices.dtype, device=self.matrices.device)

    def orthogonalized(self, filters: list[Tensor]) -> list[Tensor]:
        """The nearest semi-orthogonal matrices, of the same shapes, with singular values of 0.7 to 1.2 instead of 1.

        The next call overwrites the result.

        Five steps of a quintic Newton-Schulz iteration, X <- P X with P = a I + b (X Xᵀ) + c (X Xᵀ)², from
        X = G / |G|_F.
        """
        _, b, c = COEFFICIENTS
        torch._foreach_copy_(self.places, filters)
        start = self.matrices / (torch.linalg.vector_norm(self.matrices, dim=(1, 2), keepdim=True) + 1e-7)
        # X is needed in X Xᵀ only, which becomes P (X Xᵀ) P: the iteration runs on these small squares and collects
        # the product of the P, which commute.
        gram = start @ start.mT
        product = None
        for iteration in range(ITERATIONS):
            factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c).add_(self.linear)
            product = factor if product is None else factor @ product
            if iteration < ITERATIONS - 1:
                gram = factor @ gram @ factor
        assert product is not None
        torch.bmm(product, start, out=self.results)
        return self.result_places


def _place(matrix: Tensor, shape: torch.Size) -> Tensor:
    """The view of a frame's matrix that holds a filter bank of this shape."""
    rows, columns = shape[0], shape[1:].numel()
    seen = matrix[:rows, :columns] if rows <= columns else matrix[:columns, :rows].mT
    return seen.unflatten(1, shape[1:])


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None, "every filter takes part in every forward pass"
    return weight.grad

"""Stochastic gradient descent in one kernel call a step on the CPU."""

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, optim

from normbench.kernels import sgd_step
from normbench.kernels.sgd import SgdGroup

Group = MutableMapping[str, Any]


class SGD(optim.SGD):
    """`torch.optim.SGD`: the same options and state, and to rounding the same results."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        if closure is not None or not step_by_kernel(self.param_groups, self.state):
            super().step(closure)


def step_by_kernel(groups: Sequence[Group], state: MutableMapping[Tensor, Any]) -> bool:
    """Takes SGD's step for these parameter groups; returns false, with nothing changed, where PyTorch must take it."""
    if any(group["dampening"] or group["maximize"] for group in groups):  # which the kernel does not know
        return False
    return sgd_step([_with_tensors(group, state) for group in groups])


def _with_tensors(group: Group, state: MutableMapping[Tensor, Any]) -> SgdGroup:
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    return SgdGroup(
        values=parameters,
        gradients=[parameter.grad for parameter in parameters],
        buffers=momentum_buffers(parameters, state) if group["momentum"] else [],
        lr=group["lr"],
        momentum=group["momentum"],
        weight_decay=group["weight_decay"],
        nesterov=group["nesterov"],
    )


def momentum_buffers(
    parameters: Sequence[Tensor], state: MutableMapping[Tensor, Any], name: str = "momentum_buffer"
) -> list[Tensor]:
    """The momentum buffer of each parameter; a missing one is made, of zeros."""
    buffers = []
    for parameter in parameters:
        own = state[parameter]
        buffer = own.get(name)
        if buffer is None:
            buffer = own[name] = torch.zeros_like(parameter)
        buffers.append(buffer)
    return buffers

"""Stochastic gradient descent in one kernel call a step on the CPU."""

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, optim

from normbench.kernels.sgd import SgdGroup, bind_sgd
from normbench.kernels.update import BoundGroup, Update, update_of
from normbench.train.optimizers.light import Light

Group = MutableMapping[str, Any]


class SGD(Light, optim.SGD):
    """`torch.optim.SGD`: the same options and state, and to rounding the same results."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        update = None if closure else self.update()
        if update is None:
            super().step(closure)
        else:
            update.set_lrs([group["lr"] for group in self.param_groups])
            update.step()

    def update(self) -> Update | None:
        """The step as a call of the kernels, bound to the present gradients; None where PyTorch takes it."""
        return update_of([bind_group(group, self.state) for group in self.param_groups])


def bind_group(group: Group, state: MutableMapping[Tensor, Any]) -> BoundGroup | None:
    """A parameter group of `torch.optim.SGD`, bound to the kernel; None where the kernel does not cover it."""
    if group["dampening"] or group["maximize"]:  # which the kernel does not know
        return None
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    return bind_sgd(
        SgdGroup(
            values=parameters,
            gradients=[parameter.grad for parameter in parameters],
            buffers=momentum_buffers(parameters, state) if group["momentum"] else [],
            momentum=group["momentum"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
        )
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

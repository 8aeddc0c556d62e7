"""The optimizers by name. Another one is a function of the model and its options, and a line here.

Each takes the model and keyword-only options, and returns a `torch.optim.Optimizer` whose parameter groups have their
base lr; the training loop scales it by the schedule. Runs that train together and CUDA graphs ask for more:

- a step reads `lr` of a group as a float or as a 0-dim tensor on the device (PyTorch's `fused=True`, or `foreach=True`
  with `capturable=True` on CUDA), so that a recorded step follows the schedule;
- all state that a step changes is in tensors in `optimizer.state`, made by the first step and begun at zero, and later
  steps change these tensors in place;
- a step never waits for the device, and groups of equal networks have the same options, so that `joined` may put the
  parameters of several networks into one optimizer.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from normbench.deferred import deferred

if TYPE_CHECKING:
    from torch import optim

_BUILD = "normbench.train.optimizers.build"
_ADAPTIVE = "normbench.train.optimizers.adaptive"

OPTIMIZERS: "dict[str, Callable[..., optim.Optimizer]]" = {
    "sgd": deferred(_BUILD, "sgd"),
    "muon": deferred(_BUILD, "muon"),
    "adam": deferred(_ADAPTIVE, "adam"),
    "adamw": deferred(_ADAPTIVE, "adamw"),
    "rmsprop": deferred(_ADAPTIVE, "rmsprop"),
}

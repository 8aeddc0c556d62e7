"""A network's initial weights, from a stream of their own."""

from collections.abc import Callable

import torch
from torch import nn


def build(function: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The network `function` makes, with initial weights drawn from `seed`; torch's random state is left as it was.

    Norm layers draw nothing, so with one seed every norm gets the same weights around it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return function()

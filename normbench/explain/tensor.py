"""A small tensor through each norm, in training and in eval mode: statistics, output and what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.params import RUNNING
from normbench.explain.shape import Shape, groups_for
from normbench.explain.sharing import Sharing, sharing
from normbench.norms import norm_label

DIAGONALS = ((1.0, 2.0), (2.0, 3.0))
Numbers = list[Any]
"""Nested lists of floats, as `Tensor.tolist` gives them."""


@dataclass(frozen=True)
class Pass:
    """mean and deviation (biased: Σ(x − μ)² / n) that normalize each set of values, None where they are not known;
    `running`: they are the stored ones; output: of the input's shape."""

    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    running: bool
    output: Numbers


@dataclass(frozen=True)
class NormOnTensor:
    """One norm. Eval mode comes after one step in training mode, which is what state_dict shows.

    problem: why the layer refuses the tensor in training, None if it does not.
    """

    norm: str
    layer: str
    reduced: tuple[str, ...] | None
    statistics_formula: str | None
    train: Pass | None
    eval: Pass
    state_dict: dict[str, Any]
    problem: str | None


@dataclass(frozen=True)
class Explained:
    shape: Shape
    input: Numbers
    norms: tuple[NormOnTensor, ...]


def document_tensor() -> Tensor:
    """[2, 2, 2, 2]: 1 and 2 on the diagonals of the first image's channels, 2 and 3 on the second's."""
    return torch.tensor(DIAGONALS)[:, :, None, None] * torch.eye(2)


def random_tensor(shape: Shape, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def explain_tensor(
    x: Tensor,
    chosen: Sequence[str] | None = None,
    groups: int | None = None,
    momentum: float = 1.0,
    affine: bool | None = None,
) -> Explained:
    """float32 `x` with two to five axes through each norm.

    Momentum 1 and an IN that learns nothing unless `affine` says so: the settings of the parameter analysis.
    """
    shape = tuple(x.shape)
    norms = []
    for kind in norms_for(shape, chosen):
        learns = False if affine is None and kind == "in" else affine
        options = options_for(kind, shape, num_groups=groups_for(shape[1], groups), momentum=momentum, affine=learns)
        layer = build_layer(kind, shape, options)
        norms.append(_through(x, layer, norm_label(kind, options), sharing(kind, shape, options)))
    return Explained(shape, x.tolist(), tuple(norms))


@torch.no_grad()
def _through(x: Tensor, layer: nn.Module, label: str, found: Sharing | None) -> NormOnTensor:
    train, problem = None, None
    statistics = _statistics(x, found)
    try:
        train = Pass(*statistics, running=False, output=layer.train()(x).tolist())
    except ValueError as error:  # batch norm of one value a channel
        problem = str(error)
    buffers = dict(layer.named_buffers())
    running = all(name in buffers for name in RUNNING)
    if running:
        statistics = (tuple(buffers["running_mean"].tolist()), tuple(buffers["running_var"].sqrt().tolist()))
    return NormOnTensor(
        norm=label,
        layer=type(layer).__name__,
        reduced=found.reduced if found else None,
        statistics_formula=found.formula if found else None,
        train=train,
        eval=Pass(*statistics, running=running, output=layer.eval()(x).tolist()),
        state_dict={name: value.tolist() for name, value in layer.state_dict().items()},
        problem=problem,
    )


def _statistics(x: Tensor, found: Sharing | None) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    if found is None or not found.reduced:
        return None, None
    sets = found.sets()
    values = [x[sets == number].double() for number in range(found.num_sets)]
    means = tuple(float(value.mean()) for value in values)
    return means, tuple(float(value.std(correction=0)) for value in values)

"""A small tensor through each norm, in training and in eval mode: statistics, output, state_dict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from normbench.errors import NormbenchError
from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.shape import Shape, groups_for
from normbench.explain.sharing import Sharing, sharing
from normbench.explain.stored import running_statistics
from normbench.norms import norm_label

STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda values: values.mean(),
    "std": lambda values: values.std(correction=0),
    "rms": lambda values: values.square().mean().sqrt(),
}
Numbers = list[Any]
"""Nested lists of floats, as `Tensor.tolist` gives them."""


@dataclass(frozen=True)
class Pass:
    """One forward pass.

    statistics: name -> one value for each set of values; None if the sets are not known. The std is biased,
        sqrt(Σ(x − μ)² / n).
    running: whether the statistics are the layer's running ones. output: nested lists of the input's shape.
    """

    statistics: dict[str, tuple[float, ...]] | None
    running: bool
    output: Numbers


@dataclass(frozen=True)
class NormOnTensor:
    """One norm on the tensor: a pass in training mode, then one in eval mode. `state_dict` is that after both.

    problem: the error message if the layer refuses the tensor in a mode; the pass of that mode is then None.
    """

    norm: str
    layer: str
    reduced: tuple[str, ...] | None
    statistics_formula: str | None
    train: Pass | None
    eval: Pass | None
    state_dict: dict[str, Any]
    problem: str | None


@dataclass(frozen=True)
class Explained:
    """The answer of `normbench explain tensor`."""

    shape: Shape
    input: Numbers
    norms: tuple[NormOnTensor, ...]


def explain_tensor(
    x: Tensor,
    chosen: Sequence[str] | None = None,
    groups: int | None = None,
    momentum: float = 1.0,
    affine: bool | None = None,
) -> Explained:
    """Passes a float32 tensor `x` with two to five axes through every norm that takes it, or through those `chosen`.

    momentum defaults to 1, so that running statistics are those of the batch. If `affine` is None, only instance norm
    learns no γ and β, as in PyTorch.
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
    problem = None
    passes: dict[bool, Pass | None] = {True: None, False: None}
    statistics: dict[str, tuple[float, ...]] | None
    for training in passes:
        stored = None if training else running_statistics(layer)
        if stored:
            statistics = {"mean": tuple(stored.mean.tolist()), "std": tuple(stored.std.tolist())}
        else:
            statistics = _statistics(x, found)
        try:
            passes[training] = Pass(statistics, stored is not None, layer.train(training)(x).tolist())
        except (ValueError, NormbenchError) as error:  # e.g. a single value per statistic
            problem = problem or str(error)
    return NormOnTensor(
        norm=label,
        layer=type(layer).__name__,
        reduced=found.reduced if found else None,
        statistics_formula=found.formula if found else None,
        train=passes[True],
        eval=passes[False],
        state_dict={name: value.tolist() for name, value in layer.state_dict().items()},
        problem=problem,
    )


def _statistics(x: Tensor, found: Sharing | None) -> dict[str, tuple[float, ...]] | None:
    if found is None:
        return None
    numbers = found.sets()
    sets = [x[numbers == number].double() for number in range(found.num_sets)]
    return {name: tuple(float(STATISTICS[name](values)) for values in sets) for name in found.statistics}

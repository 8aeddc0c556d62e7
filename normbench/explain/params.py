"""How many statistics a norm computes, learns and stores, counted on the layers themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.shape import Shape, axis_names, groups_for
from normbench.explain.sharing import sharing
from normbench.explain.stored import running_statistics
from normbench.models.count import count_parameters
from normbench.norms import norm_label


@dataclass(frozen=True)
class Counts:
    """The counts of one norm layer on an input of `shape`.

    reduced, statistics, num_statistics: the axes, the names of the statistics (mean, std), the number of each. None
        if it is not known which axes the norm reduces.
    num_learned: values in `parameters()`. num_buffers: values in `buffers()`.
    *_formula: the number as a formula of the axes' names, such as C, N·G or 2·C + 1.
    """

    norm: str
    layer: str
    shape: Shape
    reduced: tuple[str, ...] | None
    statistics: tuple[str, ...] | None
    num_statistics: int | None
    statistics_formula: str | None
    statistics_stored: bool
    num_learned: int
    learned_formula: str
    num_buffers: int
    buffers_formula: str
    learned: dict[str, Shape]
    buffers: dict[str, Shape]


def count_norms_on(shape: Shape, chosen: Sequence[str] | None = None, groups: int | None = None) -> tuple[Counts, ...]:
    """The counts of every norm that takes `shape`, or of those `chosen`, one layer each.

    shape: N,C or N,C,L or N,C,H,W or N,C,D,H,W. BN computes C means, LN N, IN N·C, GN N·G: Wu & He 2018,
    arXiv:1803.08494, section 3. Raises ConfigError for a norm that does not take the shape.
    """
    num_groups = groups_for(shape[1], groups)
    counts = []
    for kind in norms_for(shape, chosen):
        options = options_for(kind, shape, num_groups=num_groups)
        layer = build_layer(kind, shape, options)
        counts.append(count_layer(kind, options, shape, layer, type(layer).__name__))
    return tuple(counts)


def count_layer(kind: str, options: Mapping[str, Any], shape: Shape, layer: nn.Module, name: str) -> Counts:
    """The counts of `layer`, which is the norm `kind` with all its `options`, on an input of `shape`."""
    found = sharing(kind, shape, options)
    learned, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())
    return Counts(
        norm=norm_label(kind, options),
        layer=name,
        shape=shape,
        reduced=found.reduced if found else None,
        statistics=found.statistics if found else None,
        num_statistics=found.num_sets if found else None,
        statistics_formula=found.formula if found else None,
        statistics_stored=running_statistics(layer) is not None,
        num_learned=count_parameters(layer),
        learned_formula=_formula(learned.values(), shape),
        num_buffers=sum(buffer.numel() for buffer in buffers.values()),
        buffers_formula=_formula(buffers.values(), shape),
        learned={key: tuple(value.shape) for key, value in learned.items()},
        buffers={key: tuple(value.shape) for key, value in buffers.items()},
    )


def _formula(tensors: Iterable[Tensor], shape: Shape) -> str:
    """The number of values in `tensors` as a formula: two tensors [C] and a scalar give 2·C + 1."""
    names = axis_names(shape)
    spelled = {(): "1", (shape[1],): names[1], shape[1:]: "·".join(names[1:])}

    def term(size: Shape) -> str:
        squeezed = tuple(length for length in size if length > 1)  # axes of size 1 are there for broadcasting
        return spelled.get(size) or spelled.get(squeezed) or "·".join(map(str, squeezed))

    terms = Counter(term(tuple(tensor.shape)) for tensor in tensors)
    return " + ".join(_times(count, term) for term, count in terms.items()) or "0"


def _times(count: int, term: str) -> str:
    if term == "1":
        return str(count)
    return term if count == 1 else f"{count}·{term}"

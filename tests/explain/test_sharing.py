"""Which values share statistics, against what the layers really do."""

import pytest
import torch
from torch import Tensor, nn

from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.shape import Shape
from normbench.explain.sharing import sharing

SHAPES: list[Shape] = [(4, 6), (3, 6, 5), (4, 6, 3, 2), (2, 6, 3, 2, 2)]
CASES = [(kind, shape) for shape in SHAPES for kind in norms_for(shape)]


def reached(layer: nn.Module, x: Tensor, index: tuple[int, ...]) -> Tensor:
    """Which outputs move when the one input value at `index` does, in training mode: bool of x's shape."""
    moved = x.clone()
    moved[index] += 1
    with torch.no_grad():
        return (layer.train()(x) - layer(moved)).abs() > 1e-9


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_what_is_stated_is_what_the_layer_does(kind: str, shape: Shape) -> None:
    """Moving a value moves the outputs of its own set and no others."""
    options = options_for(kind, shape, num_groups=2, ghost_size=2)
    stated = sharing(kind, shape, options)
    if stated is None:
        pytest.skip(f"the axes of {kind} are not stated")
    layer = build_layer(kind, shape, options).double()
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5  # frn cuts below 0
    sets = stated.sets()
    for index in ((0,) * len(shape), tuple(size - 1 for size in shape), (1, 2, 1, 0, 1)[: len(shape)]):
        own = torch.zeros(shape, dtype=torch.bool)
        own[index] = True
        expected = sets == sets[index] if stated.reduced else own
        assert torch.equal(reached(layer, x, index), expected)
    assert not stated.reduced or len(sets.unique()) == stated.num_sets == int(sets.max()) + 1

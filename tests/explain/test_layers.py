"""Which norms take an input, with which options, as which layer."""

import pytest
from torch import nn

from normbench.errors import ConfigError
from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.shape import Shape
from normbench.norms import NORMS


def test_images_take_every_norm_and_other_shapes_those_of_pytorch() -> None:
    assert norms_for((2, 4, 3, 3)) == list(NORMS)
    assert norms_for((2, 4, 3)) == norms_for((2, 4, 3, 3, 3)) == ["bn", "gn", "ln", "in"]
    assert norms_for((2, 4)) == ["bn", "gn", "ln"]  # instance norm would average one value
    assert norms_for((2, 4), ["ln", "bn", "ln"]) == ["ln", "bn"]
    with pytest.raises(ConfigError, match="norm 'rms' takes no N,C input"):
        norms_for((2, 4), ["rms"])
    with pytest.raises(ConfigError, match="did you mean 'bn'"):
        norms_for((2, 4, 3, 3), ["bm"])


def test_a_norm_ignores_options_it_does_not_have() -> None:
    wanted = {"num_groups": 2, "momentum": None, "affine": False}
    assert options_for("ln", (2, 4), **wanted) == {"affine": False}
    assert options_for("bn", (2, 4), **wanted) == {"momentum": 0.1, "affine": False}
    assert options_for("gn", (2, 4), **wanted) == {"num_groups": 2, "affine": False}


@pytest.mark.parametrize(
    ("kind", "shape", "layer"),
    [
        ("bn", (2, 4), nn.BatchNorm1d),
        ("bn", (2, 4, 3), nn.BatchNorm1d),
        ("bn", (2, 4, 3, 3, 3), nn.BatchNorm3d),
        ("in", (2, 4, 3), nn.InstanceNorm1d),
        ("in", (2, 4, 3, 3, 3), nn.InstanceNorm3d),
        ("ln", (2, 4, 3), nn.LayerNorm),
        ("gn", (2, 4), nn.GroupNorm),
    ],
)
def test_other_shapes_get_pytorchs_layers(kind: str, shape: Shape, layer: type[nn.Module]) -> None:
    built = build_layer(kind, shape, options_for(kind, shape, num_groups=2))
    assert type(built) is layer
    assert built.training

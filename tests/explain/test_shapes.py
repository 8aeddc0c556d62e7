"""The shape after each layer, and a diagnosis exactly where PyTorch refuses an input."""

import warnings

import pytest
import torch
from torch import nn

from normbench.explain.shape import Shape
from normbench.explain.shapes import Shapes, diagnose, explain_shapes, written


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    return explain_shapes()


def test_the_walkthroughs_shapes(shapes: Shapes) -> None:
    ends = {stack.title: stack.steps[-1].shape for stack in shapes.stacks}
    assert ends["conv, pool, norm"] == (100, 16, 14, 14)
    assert ends["two blocks"] == (100, 8, 7, 7)
    assert ends["2d, then flattened, then 1d"] == (100, 24)
    assert shapes.stacks[2].steps[1].shape == (100, 16, 28, 28)


def test_each_wrong_stack_stops_at_its_norm_with_a_diagnosis(shapes: Shapes) -> None:
    problems = {stack.title: stack.steps[-1].problem for stack in shapes.stacks if stack.title.startswith("wrong")}
    assert problems == {
        "wrong: 2d after Flatten": "BatchNorm2d takes N,C,H,W, but here comes N,C = 100,24; Flatten leaves one row an "
        "image: use BatchNorm1d(24)",
        "wrong: 1d before Flatten": "BatchNorm1d takes N,C or N,C,L, but here comes N,C,H,W = 100,16,28,28; use "
        "BatchNorm2d(16)",
        "wrong: the conv's input channels": "num_features is 3, but the input 100,16,28,28 has C = 16 channels; write "
        "num_features=16",
        "wrong: layer norm before the pool": "LayerNorm was made for inputs that end in 16,28,28, but here comes "
        "100,16,14,14: its weights are per element, so it is tied to one size; write LayerNorm([16, 14, 14])",
    }


LAYERS = [
    *(nn.BatchNorm1d(6), nn.BatchNorm2d(6), nn.BatchNorm3d(6), nn.BatchNorm2d(5)),
    *(nn.InstanceNorm1d(6), nn.InstanceNorm2d(6), nn.InstanceNorm3d(6), nn.InstanceNorm2d(5, affine=True)),
    *(nn.GroupNorm(2, 6), nn.GroupNorm(2, 4), nn.LayerNorm([6]), nn.LayerNorm([6, 4, 4])),
]


@pytest.mark.parametrize("shape", [(3, 6), (3, 6, 4), (3, 6, 4, 4), (3, 6, 2, 4, 4)])
@pytest.mark.parametrize("layer", LAYERS, ids=written)
def test_a_diagnosis_is_given_exactly_where_pytorch_refuses(layer: nn.Module, shape: Shape) -> None:
    """But for an instance norm with one axis less, which PyTorch takes for a single sample: (C, L), not (N, C)."""
    problem = diagnose(layer, shape)
    unbatched = {nn.InstanceNorm1d: 2, nn.InstanceNorm2d: 3, nn.InstanceNorm3d: 4}.get(type(layer))
    if len(shape) == unbatched:
        assert problem is not None
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            layer(torch.randn(shape))
    except (ValueError, RuntimeError):
        assert problem is not None
    else:
        assert problem is None


def test_which_layer_for_which_input(shapes: Shapes) -> None:
    fits = {fit.norm: fit for fit in shapes.fits}
    assert (fits["BatchNorm1d"].for_flat, fits["BatchNorm1d"].for_images) == ("BatchNorm1d(16)", None)
    assert (fits["BatchNorm2d"].for_images, fits["BatchNorm2d"].for_flattened) == ("BatchNorm2d(16)", None)
    assert fits["LayerNorm"].for_images == "LayerNorm([16, 28, 28])"
    assert fits["BatchNorm1d"].for_flattened == "BatchNorm1d(12544)"


def test_options_of_batch_norm(shapes: Shapes) -> None:
    settings = {setting.layer: setting for setting in shapes.settings}
    assert (settings["BatchNorm2d(100)"].num_learned, settings["BatchNorm2d(100)"].num_buffers) == (200, 201)
    bare = settings["BatchNorm2d(100, affine=False)"]
    assert (bare.num_learned, bare.num_buffers) == (0, 201)
    assert settings["BatchNorm2d(100)"].running_mean == 0.1
    assert settings["BatchNorm2d(100, momentum=1.0)"].running_mean == 1
    assert settings["BatchNorm2d(100)"].moves_train > 0.1 and settings["BatchNorm2d(100)"].moves_eval == 0
    assert settings["BatchNorm2d(100, track_running_stats=False)"].moves_eval > 0.1
    assert settings["GroupNorm(2, 100)"].moves_train == 0

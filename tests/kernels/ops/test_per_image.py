"""Norms of each image or pixel as ops, and the elementwise one of whole images: formula, gradients, dropout, NaN."""

import pytest
import torch
from torch import nn

from normbench.kernels.op import NO_EPILOGUE, Epilogue
from normbench.kernels.ops.per_image import evo_norm
from tests.kernel_ops import (
    BEFORE_RELU,
    PER_IMAGE,
    TOLERANCE,
    assert_near,
    described,
    needs_compiler,
    norm_layer,
    random_images,
    relu_after,
    run_layer,
    run_op,
)
from tests.oracles import FORMULAS, for_formula, options_for, randomize

pytestmark = needs_compiler
KINDS = ["ln-chw", *PER_IMAGE]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("num_channels", [16, 32, 48, 64, 160])
@pytest.mark.parametrize(
    ("kind", "relu"), [(kind, relu) for kind in KINDS for relu in (False, True) if kind in BEFORE_RELU or not relu]
)
def test_output_and_gradients_are_the_formula(kind: str, num_channels: int, dtype: torch.dtype, relu: bool) -> None:
    layer = norm_layer(kind, num_channels, **options_for(kind))
    randomize(layer)
    x = random_images(5, num_channels, 7, 3, dtype=dtype).requires_grad_()
    d_y = random_images(5, num_channels, 7, 3, dtype=dtype, seed=2) - 3
    y = run_layer(layer, x, Epilogue(relu))
    wide = x.detach().double().requires_grad_()
    by_hand = {name: value.detach().double().requires_grad_() for name, value in layer.named_parameters()}
    expected = FORMULAS[kind](wide, for_formula(by_hand))
    expected = expected.relu() if relu else expected
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert_near(y, expected, TOLERANCE[dtype])
    found = torch.autograd.grad(y, [x, *layer.parameters()], d_y)
    wanted = torch.autograd.grad(expected, [wide, *by_hand.values()], d_y.double())
    largest = max(gradient.abs().max().item() for gradient in wanted[1:])
    for gradient, gradient_by_hand in zip(found, wanted, strict=True):
        if gradient.numel() == 1:  # that of α, a sum over all channels, in which large values may cancel
            assert abs(gradient.item() - gradient_by_hand.item()) <= TOLERANCE[dtype] * largest
        else:
            assert_near(gradient, gradient_by_hand, TOLERANCE[dtype])


def test_tanh_and_sigmoid_are_accurate_to_a_few_units_in_the_last_place() -> None:
    """From where float32 hardly tells them from their limits to where they are as small as x."""
    x = torch.cat([torch.linspace(-100, 100, 200001), torch.logspace(-30, 0, 30001), -torch.logspace(-30, 0, 30001)])
    x = torch.cat([x, torch.zeros(-len(x) % 16)]).view(1, -1, 1, 16).permute(0, 3, 1, 2)
    tanh = run_layer(norm_layer("dyt", alpha=1.0), x)
    expected = torch.tanh(x.double())
    assert ((tanh - expected).abs() <= 4 * 2**-24 * expected.abs()).all()
    op = evo_norm(described(x), num_groups=1, eps=1e9)  # σ² changes the sum by little
    swish = run_op(op, x, torch.ones(16), torch.zeros(16), torch.ones(16)) * 1e9**0.5
    scale = (1 + x.double().var(correction=0) / 1e9).rsqrt()
    expected = x.double() * torch.sigmoid(x.double()) * scale
    assert ((swish - expected).abs() <= 8 * 2**-24 * expected.abs() + 1e-30).all()


@pytest.mark.parametrize("num_channels", [16, 48])
@pytest.mark.parametrize("kind", PER_IMAGE)
def test_dropout_drops_the_same_backward(kind: str, num_channels: int) -> None:
    """Bit by bit the gradients without dropout, of an upstream gradient that is 0 where the output was dropped."""
    layer, size = norm_layer(kind, num_channels), (3, num_channels, 7, 3)
    randomize(layer)
    x, d_y = random_images(*size).requires_grad_(), random_images(*size, seed=1) - 3
    inputs = [x, *layer.parameters()]
    relu = relu_after(kind)
    plain, dropped = run_layer(layer, x, relu), run_layer(layer, x, relu._replace(drop=32768), seed=3)
    kept = dropped != 0
    assert torch.equal(dropped, kept * plain * 2)
    assert 0.4 < kept[plain != 0].float().mean() < 0.6
    found = torch.autograd.grad(dropped, inputs, d_y)
    wanted = torch.autograd.grad(plain, inputs, d_y * kept * 2)
    assert all(torch.equal(one, same) for one, same in zip(found, wanted, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_nan_is_seen_in_its_image_alone(kind: str) -> None:
    layer, x = norm_layer(kind), random_images(2, 16, 7, 3)
    x[1, 3, 2, 2] = float("nan")
    y = run_layer(layer, x, relu_after(kind))
    assert y[1, 3, 2, 2].isnan()
    assert y[0].isfinite().all()


@pytest.mark.parametrize("layer", [norm_layer("frn"), norm_layer("evo-s0")], ids=["frn", "evo-s0"])
def test_a_norm_with_an_activation_of_its_own_takes_no_relu(layer: nn.Module) -> None:
    x = random_images(2, 16, 7, 3)
    assert run_layer(layer, x, NO_EPILOGUE).shape == x.shape
    with pytest.raises(AssertionError):
        run_layer(layer, x, Epilogue(relu=True))

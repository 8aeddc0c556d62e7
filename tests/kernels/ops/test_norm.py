"""Norms by mean and variance as ops: the formula in float64, at any number of threads, with running statistics."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from normbench.kernels.op import Epilogue
from normbench.kernels.ops.norm import Region, normalize
from tests.kernel_ops import TOLERANCE, assert_near, described, needs_compiler, random_images, run_op

pytestmark = needs_compiler
EPS = 1e-5
RELU = Epilogue(relu=True)


def run_norm(
    x: Tensor,
    region: Region,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    epilogue: Epilogue = Epilogue(),  # noqa: B008  (a constant)
    seed: int = 0,
) -> Tensor:
    num_channels = x.shape[1]
    weight = torch.ones(num_channels) if weight is None else weight
    bias = torch.zeros(num_channels) if bias is None else bias
    return run_op(normalize(described(x), region, EPS, epilogue), x, weight, bias, seed=seed)


def by_formula(x: Tensor, region: Region, weight: Tensor, bias: Tensor) -> Tensor:
    """γ (x − μ) / sqrt(σ² + eps) + β, region by region."""
    parts = []
    for images in x.split(region.num_images):
        grouped = images.unflatten(1, (region.num_groups, -1))  # [n, G, C / G, H, W]
        axes = (0, 2, 3, 4)
        centered = grouped - grouped.mean(axes, keepdim=True)
        parts.append((centered / (centered.square().mean(axes, keepdim=True) + EPS).sqrt()).flatten(1, 2))
    return torch.cat(parts) * weight[:, None, None] + bias[:, None, None]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("num_channels", "region"),
    [
        (16, Region(5, 16)),
        (32, Region(5, 32)),
        (48, Region(5, 48)),
        (16, Region(1, 4)),
        (64, Region(1, 32)),
        (160, Region(1, 5)),
        (32, Region(1, 1)),
        (48, Region(1, 48)),
        (160, Region(2, 160)),
    ],
    ids=["bn16", "bn32", "bn48", "gn16", "gn64", "gn160", "ln32", "in48", "gbn160"],
)
def test_output_and_gradients_are_the_formula(
    num_channels: int, region: Region, dtype: torch.dtype, relu: bool
) -> None:
    x = random_images(5, num_channels, 7, 3, dtype=dtype).requires_grad_()
    weight, bias = torch.randn(2, num_channels, generator=torch.Generator().manual_seed(1)).unbind()
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    d_y = random_images(5, num_channels, 7, 3, dtype=dtype, seed=2) - 3
    y = run_norm(x, region, weight, bias, Epilogue(relu))
    y.backward(d_y)
    wide = [tensor.detach().double().requires_grad_() for tensor in (x, weight, bias)]
    expected = by_formula(wide[0], region, *wide[1:])
    expected = expected.relu() if relu else expected
    expected.backward(d_y.double())
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    for found, wanted in zip((y, x.grad, weight.grad, bias.grad), (expected, *(t.grad for t in wide)), strict=True):
        assert found is not None and wanted is not None
        assert_near(found, wanted, TOLERANCE[dtype])


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    x = random_images(4, 16, 8, 8) + 1000
    expected = by_formula(x.double(), Region(1, 4), torch.ones(16), torch.zeros(16))
    assert_near(run_norm(x, Region(1, 4)), expected, 1e-4)


def test_running_statistics_move_as_pytorchs() -> None:
    x = random_images(10, 16, 3, 3)
    mean, var, count = torch.full((16,), 0.5), torch.full((16,), 2.0), torch.tensor(3)
    expected_mean, expected_var = mean.clone(), var.clone()
    op = normalize(described(x), Region(4, 16), EPS, momentum=0.3)
    run_op(op, x, torch.ones(16), torch.zeros(16), buffers=(mean, var, count))
    for ghost in x.split(4):  # the last has two images
        F.batch_norm(ghost, expected_mean, expected_var, training=True, momentum=0.3)
    assert count == 6
    assert torch.allclose(mean, expected_mean, rtol=1e-5)
    assert torch.allclose(var, expected_var, rtol=1e-5)


def test_nan_is_seen_in_its_region_alone() -> None:
    x = random_images(2, 16, 4, 4)
    x[1, 3, 2, 2] = float("nan")
    y = run_norm(x, Region(1, 4), epilogue=RELU)
    assert y[1, :4].isnan().all()
    assert y[1, 4:].isfinite().all() and y[0].isfinite().all()


def test_dropout_zeroes_its_share_and_keeps_the_mean() -> None:
    x = random_images(64, 48, 26, 26).requires_grad_()
    bias = torch.full((48,), 5.0)
    plain = run_norm(x, Region(1, 1), bias=bias, epilogue=RELU)
    for drop in (1311, 32768):  # of 65,536: 2 % and half
        y = run_norm(x, Region(1, 1), bias=bias, epilogue=Epilogue(True, drop), seed=7)
        p = drop / 65536
        dropped = (y == 0) & (plain > 0)
        count = plain.count_nonzero().item()
        assert abs(dropped.sum().item() - p * count) < 5 * (count * p * (1 - p)) ** 0.5
        assert torch.allclose(y[~dropped], plain[~dropped] / (1 - p), rtol=1e-5)
        # No channel, pixel or image is special, and neighbours are dropped independently.
        mask = dropped.float()
        for axes in ((0, 2, 3), (0, 1), (1, 2, 3)):
            share = mask.mean(axes)
            spread = (p * (1 - p) * share.numel() / mask.numel()) ** 0.5
            assert (share - p).abs().max() < 6 * spread, axes
        for a, b in ((mask[:, 1:], mask[:, :-1]), (mask[..., 1:], mask[..., :-1]), (mask[1:], mask[:-1])):
            assert abs((a * b).mean().item() - p * p) < 6 * (p * p / a.numel()) ** 0.5
        (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
        assert gradient.isfinite().all()
    one, same, other = (run_norm(x, Region(1, 1), epilogue=Epilogue(True, 32768), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_dropout_lets_no_gradient_through_where_it_dropped() -> None:
    """With μ and σ of the image fixed by many other values, dL/dβ counts the elements that were not dropped."""
    x, bias = random_images(2, 16, 8, 8), torch.full((16,), 9.0, requires_grad=True)
    y = run_norm(x, Region(1, 1), bias=bias, epilogue=Epilogue(True, 32768), seed=3)
    y.sum().backward()
    assert bias.grad is not None
    assert torch.equal(bias.grad, 2.0 * (y != 0).sum((0, 2, 3)))


@pytest.mark.parametrize(("num_channels", "epilogue"), [(24, RELU), (16, Epilogue(relu=False, drop=9000))])
def test_no_op_for_other_channel_counts_and_for_dropout_without_relu(num_channels: int, epilogue: Epilogue) -> None:
    assert normalize(described(random_images(2, num_channels, 4, 4)), Region(1, 1), EPS, epilogue) is None

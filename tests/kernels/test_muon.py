"""The compiled update of Muon: against the formula in float64, for every shape and layout it takes."""

import pytest
import torch
from torch import Tensor

from normbench.kernels.library import library
from normbench.kernels.muon import bind_muon
from normbench.kernels.update import update_of
from normbench.train.optimizers.muon import COEFFICIENTS, ITERATIONS
from tests.kernel_ops import needs_compiler

SIZES = [(16, 16), (32, 16), (16, 32), (32, 32), (48, 32), (64, 160)]
SHAPES = [(*sizes, *kernel) for sizes in SIZES for kernel in ((1, 1), (3, 3))]
LAYOUTS = [torch.contiguous_format, torch.channels_last]
LR, MOMENTUM = 0.5, 0.6
OPTIONS = {"momentum": MOMENTUM, "iterations": ITERATIONS, "coefficients": COEFFICIENTS}


def random_banks(shapes: list[tuple[int, ...]], layout: torch.memory_format, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).contiguous(memory_format=layout) for shape in shapes]


def muon_step(*banks: list[Tensor]) -> bool:
    """Takes a step; False where the kernel does not cover the banks."""
    update = update_of([bind_muon(*banks, **OPTIONS)])
    if update is None:
        return False
    update.set_lrs([LR])
    update.step()
    return True


def by_formula(weight: Tensor, gradient: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """The weight and the momentum, in float64; the update of a tall matrix is that of its transpose."""
    a, b, c = COEFFICIENTS
    weight, gradient, buffer = (bank.double() for bank in (weight, gradient, buffer))
    buffer = MOMENTUM * buffer + gradient
    direction = (gradient + MOMENTUM * buffer).flatten(1)
    x = direction / (direction.norm() + 1e-7)
    tall = len(x) > x.shape[1]
    x = x.mT if tall else x
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + b * square @ x + c * square @ square @ x
    update = (x.mT if tall else x).view_as(weight)
    return weight * len(weight) ** 0.5 / weight.norm() - LR * update, buffer


@needs_compiler
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_is_that_of_the_formula(layout: torch.memory_format) -> None:
    filters, gradients, buffers = (random_banks(SHAPES, layout, seed) for seed in range(3))
    expected = [by_formula(*bank) for bank in zip(filters, gradients, buffers, strict=True)]
    assert muon_step(filters, gradients, buffers)
    for found, wanted in zip(zip(filters, buffers, strict=True), expected, strict=True):
        for one, other in zip(found, wanted, strict=True):
            # Five steps make small singular values 3.4445^5 = 485 times as large, and their rounding with them.
            assert (one - other).abs().max() < 485 * 2**-23 * other.abs().max()


@needs_compiler
def test_the_number_of_threads_changes_no_bit() -> None:
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        banks = [random_banks(SHAPES, torch.channels_last, seed) for seed in range(3)]
        torch.set_num_threads(threads)
        try:
            muon_step(*banks)
        finally:
            torch.set_num_threads(before)
        results.append([tensor for bank in banks for tensor in bank])
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@needs_compiler
def test_a_gradient_of_zeros_gives_no_update() -> None:
    filters = random_banks(SHAPES, torch.channels_last, seed=0)
    expected = [bank * len(bank) ** 0.5 / bank.norm() for bank in filters]
    gradients, buffers = ([torch.zeros_like(bank) for bank in filters] for _ in range(2))
    muon_step(filters, gradients, buffers)
    for found, wanted in zip(filters, expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bank: bank.double(),
        lambda bank: bank.contiguous(),  # not as the others lie
        lambda bank: bank.repeat(1, 2, 1, 1)[:, ::2],
        lambda bank: bank.to("meta"),
        lambda bank: bank[: len(bank) // 2],  # the same strides, and less than is read and written
    ],
)
@pytest.mark.parametrize("which", range(3))
def test_what_lies_otherwise_is_left_to_pytorch(spoil, which: int) -> None:
    banks = [random_banks(SHAPES, torch.channels_last, seed) for seed in range(3)]
    assert muon_step(*banks) == (library() is not None)
    banks[which][3] = spoil(banks[which][3])
    before = [[bank.clone() for bank in tensors] for tensors in banks]
    assert not muon_step(*banks)
    for tensors, unmoved in zip(banks, before, strict=True):
        assert all(torch.equal(bank, same) for bank, same in zip(tensors, unmoved, strict=True) if not bank.is_meta)


@pytest.mark.parametrize("shape", [(10, 32, 1, 1), (16, 3, 3, 3), (20, 20, 3, 3)])
def test_sides_that_are_no_multiples_of_16_are_left_to_pytorch(shape: tuple[int, ...]) -> None:
    banks = [random_banks([shape], torch.channels_last, seed) for seed in range(3)]
    assert not muon_step(*banks)

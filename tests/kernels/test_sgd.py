"""The compiled step of SGD: PyTorch's, for every option it takes, and PyTorch's own for all others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn, optim

from normbench.kernels.library import library
from normbench.kernels.sgd import SgdGroup, bind_sgd
from normbench.kernels.update import update_of
from normbench.train.optimizers.sgd import SGD

SHAPES = [(32, 16, 3, 3), (10, 32, 1, 1), (16,), (1,), (7, 3), ()]
LAST = torch.channels_last


def sgd_step(groups: list[SgdGroup]) -> bool:
    """Takes a step; False where the kernel does not cover all groups."""
    update = update_of([bind_sgd(group) for group in groups])
    if update is None:
        return False
    update.set_lrs([0.1] * len(groups))
    update.step()
    return True


def parameters(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator) for shape in SHAPES]
    drawn[0] = drawn[0].contiguous(memory_format=LAST)
    return [nn.Parameter(tensor.to(dtype)) for tensor in drawn]


def train(
    make: Callable[..., optim.Optimizer], dtype: torch.dtype, **options: object
) -> tuple[list[Tensor], list[Tensor]]:
    """Three steps of two groups, in which one parameter gets no gradient: the parameters and their momentum."""
    own = parameters(dtype)
    groups = [{"params": own[:2], "weight_decay": 0.1}, {"params": own[2:], "lr": 0.5}]
    optimizer = make(groups, **({"lr": 0.2} | options))
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        for number, parameter in enumerate(own):
            gradient = torch.randn(parameter.shape, generator=generator).to(dtype)
            parameter.grad = None if number == 4 else torch.empty_like(parameter).copy_(gradient)
        optimizer.step()
    momenta = [optimizer.state[parameter].get("momentum_buffer") for parameter in own]
    return [parameter.detach() for parameter in own], [buffer for buffer in momenta if buffer is not None]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "dampening": 0.5},
        {"maximize": True},
        {"lr": torch.tensor(0.2)},
    ],
    ids=str,
)
def test_steps_are_those_of_pytorch(options: dict[str, object]) -> None:
    found, expected = train(SGD, torch.float32, **options), train(optim.SGD, torch.float64, **options)
    for mine, other in zip(found, expected, strict=True):
        for one, wanted in zip(mine, other, strict=True):
            torch.testing.assert_close(one.double(), wanted, rtol=1e-6, atol=1e-6)


def test_the_state_of_either_goes_on_in_the_other() -> None:
    """A checkpoint made with the kernel is resumed without, and the other way round."""
    ends = []
    for first, second in ((SGD, optim.SGD), (optim.SGD, SGD), (optim.SGD, optim.SGD)):
        own = parameters()
        state: dict[str, object] = {}
        for make in (first, second):
            optimizer = make(own, lr=0.1, momentum=0.9, nesterov=True)
            if state:
                optimizer.load_state_dict(state)
            for parameter in own:
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
            state = optimizer.state_dict()
        ends.append([parameter.detach() for parameter in own])
    for end in ends[:2]:
        for one, other in zip(end, ends[2], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensor: tensor.double(),
        lambda tensor: tensor.contiguous(),  # not as the others lie
        lambda tensor: tensor.repeat(1, 2, 1, 1)[:, ::2],
        lambda tensor: tensor.to("meta"),
        lambda tensor: tensor[:1],  # the same strides, and less than is read and written
    ],
)
@pytest.mark.parametrize("which", range(3))
def test_what_the_kernel_does_not_cover_is_left_as_it_is(spoil: Callable[[Tensor], Tensor], which: int) -> None:
    def step() -> bool:
        return sgd_step([SgdGroup(*tensors, momentum=0.9, weight_decay=0.1, nesterov=True)])

    tensors = [[torch.randn(32, 16, 3, 3).contiguous(memory_format=LAST)] for _ in range(3)]
    assert step() == (library() is not None)
    tensors[which] = [spoil(tensors[which][0])]
    before = tensors[0][0].clone()
    assert not step()
    assert before.is_meta or torch.equal(tensors[0][0], before)


def test_no_group_moves_if_one_is_not_covered() -> None:
    values = [torch.ones(16), torch.ones(16, dtype=torch.float64)]
    groups = [SgdGroup([value], [torch.ones_like(value)], [], 0.0, 0.0, nesterov=False) for value in values]
    assert not sgd_step(groups)
    assert all((value == 1).all() for value in values)

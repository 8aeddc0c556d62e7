"""Graphs of ops: what the ops compute one by one, bit for bit, forward and backward, at any number of threads."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from normbench.kernels.graph import run
from normbench.kernels.lowering import Lowered, lower
from normbench.kernels.op import NO_EPILOGUE, Epilogue, TensorDesc
from normbench.kernels.ops.add import add
from normbench.kernels.schedule import INPUT, Node
from tests.kernel_ops import (
    LOWERED,
    TOLERANCE,
    described,
    needs_compiler,
    norm_layer,
    random_images,
    relu_after,
    run_op,
)
from tests.oracles import randomize

pytestmark = [needs_compiler, pytest.mark.usefixtures("threads_restored")]

Layers = Sequence[tuple[nn.Module, Epilogue]]
Row = Sequence[Any]
"""Lowered layers, each after the other; or a pair of rows with the same input, whose outputs are added."""


def pooled(kind: str) -> Layers:
    """Norm, pool, norm, mean: for images of 6x10 pixels and 16 channels."""
    first, second = norm_layer(kind, 16, (6, 10)), norm_layer(kind, 16, (3, 5))
    randomize(first)
    randomize(second)
    pool, mean = (nn.MaxPool2d(2), NO_EPILOGUE), (nn.AdaptiveAvgPool2d(1), NO_EPILOGUE)
    return [(first, relu_after(kind, drop=9000)), pool, (second, relu_after(kind)), mean]


def convolved(kind: str) -> Layers:
    first, pool, second, mean = pooled(kind)
    wide, narrow, last = nn.Conv2d(16, 32, 3, padding=1), nn.Conv2d(32, 16, 1), nn.Conv2d(16, 16, 3, padding=1)
    return [first, (wide, NO_EPILOGUE), (narrow, NO_EPILOGUE), pool, second, (last, NO_EPILOGUE), mean]


def lowered_row(layers: Layers, x: TensorDesc) -> list[Lowered]:
    row = []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for layer, epilogue in layers:
            lowered = lower(layer, x, epilogue)
            assert lowered is not None
            row.append(lowered)
            x = lowered.op.y
    return row


def run_row(row: Row, x: Tensor) -> Tensor:
    """The output of the row as one graph; each op's seed is its index."""
    nodes: list[Node] = []
    order: list[Lowered] = []

    def append(lowered: Lowered, *sources: int) -> int:
        nodes.append(Node(lowered.op, sources))
        order.append(lowered)
        return len(nodes) - 1

    def unroll(row: Row, source: int) -> int:
        for item in row:
            if isinstance(item, Lowered):
                source = append(item, source)
            else:
                ends = [unroll(branch, source) for branch in item]
                source = append(Lowered(add(nodes[ends[0]].op.y)), *ends)
        return source

    unroll(row, INPUT)
    parameters = [part for lowered in order for part in lowered.parameters()]
    buffers = [part for lowered in order for part in lowered.buffers()]
    return run(x, tuple(nodes), parameters, buffers, range(len(nodes)))


def run_one_by_one(row: Row, x: Tensor) -> Tensor:
    """The output of the row with each op in a graph of its own, and sums by PyTorch."""
    for seed, item in enumerate(row):
        if isinstance(item, Lowered):
            x = run_op(item.op, x, *item.parameters(), buffers=item.buffers(), seed=seed)
        else:
            x = run_one_by_one(item[0], x) + run_one_by_one(item[1], x)
    return x


def outcome(layers: Layers, x: Tensor, run_as: Callable[[Row, Tensor], Tensor]) -> list[Tensor]:
    """The output, all gradients, and what the layers have stored."""
    layers = deepcopy(layers)
    x = x.detach().requires_grad_()
    y = run_as(lowered_row(layers, described(x)), x)
    parameters = [parameter for layer, _ in layers for parameter in layer.parameters()]
    gradients = torch.autograd.grad(y, [x, *parameters], random_images(*y.shape, dtype=y.dtype, seed=4) - 3)
    return [y.detach(), *gradients, *(buffer for layer, _ in layers for buffer in layer.buffers())]


@pytest.mark.parametrize("num_images", [1, 3, 21])
@pytest.mark.parametrize("kind", LOWERED)
@pytest.mark.parametrize(
    ("made", "dtype"),
    [(pooled, torch.float32), (pooled, torch.bfloat16), (convolved, torch.bfloat16)],
)
def test_a_graph_is_its_ops_one_by_one(
    made: Callable[[str], Layers], dtype: torch.dtype, kind: str, num_images: int
) -> None:
    torch.manual_seed(0)
    layers, x = made(kind), random_images(num_images, 16, 6, 10, dtype=dtype)
    torch.set_num_threads(1)
    expected = outcome(layers, x, run_one_by_one)
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found = outcome(layers, x, run_row)
        assert all(torch.equal(one, same) for one, same in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", LOWERED)
def test_without_gradients_the_output_is_the_same(kind: str) -> None:
    layers, x = pooled(kind), random_images(5, 16, 6, 10)
    expected, *_ = outcome(layers, x, run_row)
    with torch.no_grad():
        found = run_row(lowered_row(layers, described(x)), x)
    assert torch.equal(found, expected)
    assert found.grad_fn is None


def test_gradients_come_where_they_are_wanted() -> None:
    layers, x = pooled("gn"), random_images(5, 16, 6, 10)
    expected = outcome(layers, x, run_row)
    norm = layers[2][0]
    for layer, _ in layers:
        layer.requires_grad_(layer is norm)
    y = run_row(lowered_row(layers, described(x)), x)
    y.backward(random_images(*y.shape, seed=4) - 3)
    assert x.grad is None
    for found, wanted in zip((norm.weight.grad, norm.bias.grad), expected[4:6], strict=True):
        assert isinstance(found, Tensor)
        assert torch.equal(found, wanted)


def test_a_graph_of_many_ops() -> None:
    layers = [(norm_layer("gn", 16, (6, 10)), Epilogue(relu=True)) for _ in range(40)]
    x = random_images(3, 16, 6, 10)
    found, expected = (outcome(layers, x, run_as) for run_as in (run_row, run_one_by_one))
    assert all(torch.equal(one, same) for one, same in zip(found, expected, strict=True))


def test_parameters_that_changed_before_the_backward_pass_are_an_error() -> None:
    """Autograd's own safeguard holds for what a graph saves for backward."""
    layers, x = pooled("gn"), random_images(5, 16, 6, 10)
    y = run_row(lowered_row(layers, described(x)), x)
    with torch.no_grad():
        next(layers[0][0].parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("place", ["first", "in between", "last", "alone"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", LOWERED)
def test_branches_are_added_up_and_so_are_the_gradients_of_their_input(
    kind: str, dtype: torch.dtype, place: str
) -> None:
    """Bit by bit the sums of PyTorch, with gradients and without."""
    torch.manual_seed(0)
    found = []
    for threads, run_as in ((1, run_one_by_one), (1, run_row), (3, run_row)):
        torch.set_num_threads(threads)
        x = random_images(21, 16, 6, 10, dtype=dtype).requires_grad_()
        layers = [norm_layer(kind, 16, (6, 10)) for _ in range(5)]
        for layer in layers:
            randomize(layer)
        ops = lowered_row([(layer, NO_EPILOGUE) for layer in layers], described(x))
        branches = (ops[1:3], ops[3:4])
        row: Row = {
            "first": [branches, ops[4]],
            "in between": [ops[0], branches, ops[4]],
            "last": [ops[0], branches],
            "alone": [branches],
        }[place]
        y = run_as(row, x)
        inputs = [x, *(parameter for layer in layers for parameter in layer.parameters())]
        upstream = random_images(*y.shape, dtype=dtype, seed=4) - 3
        found.append([y.detach(), *torch.autograd.grad(y, inputs, upstream, allow_unused=True)])
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            assert one is same is None or (one is not None and same is not None and torch.equal(one, same))


def test_branches_of_convs_within_branches() -> None:
    """An input of three branches gets the sum of three gradients, which PyTorch rounds in another order."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(16, 16, 3, padding=1),
        norm_layer("bn", 16, (6, 10)),
        nn.Conv2d(16, 16, 1),
        nn.Conv2d(16, 16, 1),
    ]
    seen = []
    for run_as in (run_row, run_one_by_one):
        x = random_images(5, 16, 6, 10, dtype=torch.bfloat16).requires_grad_()
        first, norm, second, third = lowered_row([(layer, NO_EPILOGUE) for layer in layers], described(x))
        row = [norm, ([first, norm], [([second], [third])]), norm]
        y = run_as(row, x)
        parameters = [parameter for layer in layers for parameter in layer.parameters()]
        seen.append([y, *torch.autograd.grad(y, [x, *parameters], random_images(*y.shape, dtype=y.dtype, seed=4) - 3)])
    for one, other in zip(*seen, strict=True):
        assert (one - other).abs().max() <= 3 * TOLERANCE[torch.bfloat16] * other.abs().max()

"""Calls that are more than values and a first derivative: PyTorch's numbers, or a sentence; never a silent 0."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.autograd import functional as A
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.fx import symbolic_trace
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.kernels import accelerate, normalize, without_kernels
from normbench.norms import NORMS
from tests.kernel_ops import needs_compiler, norm_layer, random_images
from tests.oracles import randomize

SHAPE = (4, 16, 5, 3)
Function = Callable[[nn.Module, Tensor, Tensor], Any]
"""(network, x, direction) -> tensors."""


def made(kind: str) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(norm_layer(kind, 16, SHAPE[2:]), nn.Identity())
    randomize(network[0])
    return network.train()


def loss_of(network: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: network(x).pow(3).mean()


def along(network: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss at x + factor x²."""
    return lambda factor: loss_of(network)(x + factor * x**2)


def assert_same(function: Function, network: nn.Module, twin: nn.Module) -> None:
    """The function has the same numbers for both; the second has no kernels."""
    x, direction = random_images(*SHAPE), random_images(*SHAPE, seed=1)
    found, expected = (torch.utils._pytree.tree_leaves(function(one, x, direction)) for one in (network, twin))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        scale = other.abs().max().item()
        assert scale > 0
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * scale)


def dual(network: nn.Module, x: Tensor, direction: Tensor) -> Tensor:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(network(forward_ad.make_dual(x, direction))).tangent


def dual_weights(network: nn.Module, x: Tensor, direction: Tensor) -> Tensor:
    with forward_ad.dual_level():
        duals = {name: forward_ad.make_dual(value, value.cos()) for name, value in network.named_parameters()}
        return forward_ad.unpack_dual(functional_call(network, duals, (x,))).tangent


def in_pieces(network: nn.Module, x: Tensor, direction: Tensor) -> Tensor:
    return torch.jit.trace(network, (x,), check_trace=False)(direction)


TRACED: dict[str, Function] = {
    "forward-mode derivative": dual,
    "forward-mode derivative by weights": dual_weights,
    "func.jvp": lambda network, x, direction: jvp(network, (x,), (direction,)),
    "func.grad": lambda network, x, _: grad(loss_of(network))(x),
    "func.jacrev": lambda network, x, _: jacrev(lambda y: network(y).mean((1, 2, 3)))(x),
    "func.jacfwd": lambda network, x, _: jacfwd(lambda factor: network(x + factor * x**2))(torch.tensor(1.0)),
    "func.hessian": lambda network, x, _: hessian(along(network, x))(torch.tensor(1.0)),
    "func.vmap": lambda network, x, direction: vmap(network)(torch.stack([x, direction])),
    "jit.trace": in_pieces,
    "make_fx": lambda network, x, direction: make_fx(network)(x)(direction),
    "a subclass": lambda network, x, _: network(x.as_subclass(Noted)).as_subclass(Tensor),
    "a view with another sign": lambda network, x, _: network(torch._neg_view(x)),
    "vjp": lambda network, x, direction: A.vjp(network, x, direction),
    "jacobian": lambda network, x, _: A.jacobian(lambda y: network(y).mean((1, 2, 3)), x),
}


class Noted(Tensor):
    """A subclass that computes as a tensor does."""


@needs_compiler
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # PyTorch itself calls torch.jit.script
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("kind", ["bn", "gn", "ln-c", "dyt"])
@pytest.mark.parametrize("name", TRACED)
def test_traced_and_transformed_calls_are_computed_by_pytorch(name: str, kind: str) -> None:
    network = made(kind)
    if kind == "bn" and name.startswith("func."):
        network.eval()  # torch.func refuses layers that count their calls
    assert_same(TRACED[name], accelerate(network), deepcopy(network))


@needs_compiler
@pytest.mark.parametrize("export", [False, True])
def test_compilers_see_the_network_itself(export: bool) -> None:
    network = made("gn")

    def compiled(network: nn.Module, x: Tensor, direction: Tensor) -> Tensor:
        if export:
            return torch.export.export(network, (x,)).module()(direction)
        return torch.compile(network, backend="eager", fullgraph=True)(direction)

    assert_same(compiled, accelerate(network), deepcopy(network))


def twice(network: nn.Module, x: Tensor, direction: Tensor) -> Tensor:
    """Double backward, by the weights."""
    weights = list(network.parameters())
    gradients = torch.autograd.grad(loss_of(network)(x), weights, create_graph=True)
    return torch.autograd.grad(sum(part.square().sum() for part in gradients), weights)


def batched(network: nn.Module, x: Tensor, direction: Tensor) -> Tensor:
    y, weights = network(x), list(network.parameters())
    return torch.autograd.grad(y, weights, torch.stack([direction, x]), is_grads_batched=True)


REFUSED: dict[str, Function] = {
    "hvp": lambda network, x, direction: A.hvp(loss_of(network), x, direction)[1],
    "vhp": lambda network, x, direction: A.vhp(loss_of(network), x, direction)[1],
    "jvp": lambda network, x, direction: A.jvp(network, x, direction)[1],
    "hessian": lambda network, x, _: A.hessian(along(network, x), torch.tensor(1.0)),
    "double backward": twice,
    "batched gradients": batched,
}


@needs_compiler
@pytest.mark.parametrize("kind", [kind for kind in NORMS if kind != "none"])  # a ReLU has no second derivative
@pytest.mark.parametrize("name", REFUSED)
def test_other_derivatives_of_kernels_are_refused_and_pytorch_has_them(name: str, kind: str) -> None:
    network = made(kind)
    called, twin = accelerate(network), deepcopy(network)
    if "_Fused" in type(called(random_images(*SHAPE).requires_grad_()).grad_fn).__name__:
        with pytest.raises(RuntimeError, match="without_kernels"):
            REFUSED[name](called, random_images(*SHAPE), random_images(*SHAPE, seed=1))
    called, twin = accelerate(deepcopy(twin)), twin
    with without_kernels():
        assert_same(REFUSED[name], called, twin)


@needs_compiler
def test_torch_fx_is_told_what_it_can_trace() -> None:
    network = made("gn")
    with pytest.raises(RuntimeError, match="trace its `model`"):
        symbolic_trace(accelerate(network))
    for traced in (network, nn.Sequential(accelerate(network), nn.ReLU())):
        assert_same(lambda one, x, _: symbolic_trace(one)(x).relu(), traced, deepcopy(network))


@needs_compiler
def test_modes_see_the_operations_of_pytorch() -> None:
    network = made("gn")
    called, x = accelerate(network), random_images(*SHAPE)

    class Dispatched(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    class Called(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    called(x)
    for mode, expected in ((Dispatched(), "aten.native_group_norm.default"), (Called(), "group_norm")):
        seen: list[str] = []
        with mode:
            called(x)
        assert expected in seen


@needs_compiler
def test_fake_tensors_have_shapes_and_no_values() -> None:
    """Kernels would read from the address 0."""
    network = made("bn")
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert accelerate(network)(mode.from_tensor(random_images(*SHAPE))).shape == SHAPE
        images = mode.from_tensor(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
        assert normalize(images, CIFAR10_CONSTANTS, memory_format=torch.channels_last).shape == (2, 3, 4, 4)


@needs_compiler
def test_a_layer_without_parameters_as_yet_makes_them_in_its_first_call() -> None:
    network, x = nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU()), random_images(*SHAPE)
    called = accelerate(network)
    torch.testing.assert_close(called(x), nn.Sequential(nn.BatchNorm2d(16), nn.ReLU())(x), rtol=1e-4, atol=1e-5)
    assert "_Fused" in type(called(x).grad_fn).__name__

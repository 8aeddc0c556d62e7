"""A forward pass that finds what reaches each layer of a network, and what becomes of each layer's output."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

BATCH_SIZE = 3  # no usual number of channels, tokens or windows: an axis of this size is the batch

_NORM_FUNCTIONS = ("batch_norm", "group_norm", "layer_norm", "instance_norm", "rms_norm")


@dataclass(frozen=True)
class Use:
    """A tensor that a function takes. `module` is the innermost one whose forward calls the function."""

    module: nn.Module
    in_place: bool


@dataclass(frozen=True)
class NormCall:
    """A normalization function, such as `batch_norm`, and the innermost module whose forward calls it."""

    function: str
    module: nn.Module


class DryRun(TorchFunctionMode):
    """What happened in one forward pass in training mode.

    inputs, outputs: module -> the tensor of each of its calls; modules are in the order of their first call.
    was_training: module -> whether it was in training mode in each call.
    norm_calls: the normalization functions that were called on values which depend on the images. The filters of
        standardized convs do not.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.inputs: dict[nn.Module, list[Tensor]] = {}
        self.outputs: dict[nn.Module, list[Tensor]] = {}
        self.was_training: dict[nn.Module, bool] = {}
        self.norm_calls: list[NormCall] = []
        self._stack: list[nn.Module] = []
        self._from_images = {id(images): images}  # holding the tensors keeps their ids from being used again
        self._uses: dict[int, list[Use]] = {}
        self._sources: dict[int, frozenset[nn.Module]] = {}

    def uses(self, tensor: Tensor) -> list[Use]:
        """The functions that took this tensor, in their order."""
        return self._uses.get(id(tensor), [])

    def sources(self, module: nn.Module) -> frozenset[nn.Module]:
        """The convs and linear layers whose outputs reach this module without another conv or linear layer between."""
        return frozenset().union(*(self._sources.get(id(x), frozenset()) for x in self.inputs.get(module, [])))

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._stack.append(module)
        self.was_training[module] = self.was_training.get(module, True) and module.training
        self.inputs.setdefault(module, []).extend(list(_tensors((*args, *kwargs.values())))[:1])

    def after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._stack.pop()
        made = list(_tensors([output]))
        self.outputs.setdefault(module, []).extend(made)
        if isinstance(module, _ConvNd | nn.Linear):
            self._sources |= {id(tensor): frozenset([module]) for tensor in made}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        taken = [one for one in _tensors((*args, *(kwargs or {}).values())) if id(one) in self._from_images]
        made = list(_tensors([output]))
        if taken and made and self._stack:
            if func.__name__ in _NORM_FUNCTIONS:
                self.norm_calls.append(NormCall(func.__name__, self._stack[-1]))
            for tensor in taken:
                use = Use(self._stack[-1], in_place=any(tensor is one for one in made))
                self._uses.setdefault(id(tensor), []).append(use)
            sources = frozenset().union(*(self._sources.get(id(tensor), frozenset()) for tensor in taken))
            self._from_images |= {id(tensor): tensor for tensor in made}
            self._sources |= {id(tensor): sources for tensor in made}
        return output


def dry_run(network: nn.Module, image_shape: tuple[int, int, int]) -> DryRun:
    """Runs the network once on noise, in training mode; it and torch's random state are left as they are.

    image_shape: (C, H, W). What the network raises is passed on.
    """
    images = torch.randn(BATCH_SIZE, *image_shape, generator=torch.Generator().manual_seed(0))
    run = DryRun(images)
    with ExitStack() as stack:
        stack.enter_context(left_as_it_is(network))
        for module in network.modules():
            for handle in (
                module.register_forward_pre_hook(run.before, with_kwargs=True),
                module.register_forward_hook(run.after),
            ):
                stack.callback(handle.remove)
        with run:
            network.train()(images)
    return run


@contextmanager
def left_as_it_is(network: nn.Module) -> Iterator[None]:
    """Within, the network may be run: its modes, its buffers and torch's random state are restored at the end."""
    modes = [(module, module.training) for module in network.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the network warns of is said when it trains
            yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for module, name, buffer, kept in buffers:
                module._buffers[name] = buffer.copy_(kept)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)

"""Norms and networks from outside of normbench: tried in a few steps before a run, and named when they fail in it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor, nn

from normbench.config import Config
from normbench.errors import ConfigError, NormbenchError, is_out_of_memory
from normbench.models.registry import MODELS
from normbench.models.task import Task
from normbench.norms import NORMS
from normbench.plugins.errors import own_line, reason
from normbench.runs.build import build_network
from normbench.train.setting import Setting

_CALLS = nn.Module.__call__.__code__.co_filename
_STEPS = 3  # training steps; an evaluation comes before the last


def is_from_outside(config: Config) -> bool:
    """Whether the config's norm or network is code from outside of normbench."""
    return config.norm.name not in NORMS or config.model.name not in MODELS


def try_outside(config: Config, task: Task, setting: Setting, batch_size: int) -> None:
    """Trains and evaluates a network of its own for a few steps on noise, if code from outside is in it.

    Raises ConfigError, which names norm and layer or the network, and the error: for code that raises one, a norm that
    returns another shape, type or device than its input has, state that is made in the first call, parameters that are
    never trained, or a graph that is kept from step to step. Torch's random state and the network that is trained are
    left as they are.
    """
    if not is_from_outside(config):
        return
    network = build_network(config, task)
    network.to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    images = torch.zeros(batch_size, *task.image_shape)
    if config.norm.name not in NORMS:
        for layer, module in _layers(network).items():
            module.register_forward_hook(_checked(config.norm.name, layer))
    state = set(network.state_dict())
    cuda = [setting.device] if setting.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), _tried(config), outside_explained(config, [network]):
        torch.manual_seed(0)
        images = images.normal_().to(setting.device).to(memory_format=setting.memory_format)
        for step in range(_STEPS):
            if step == _STEPS - 1:
                with torch.inference_mode(), setting.autocast():
                    network.eval()(images[: batch_size // 2 + 1])  # it has other batches than training
            with setting.autocast():
                logits = network.train()(images)
            logits.float().square().mean().backward()
            _check_state(config, network, state)
            network.zero_grad()


@contextmanager
def _tried(config: Config) -> Iterator[None]:
    """Within, every error is that of the code from outside: without it, the same network trains."""
    try:
        yield
    except NormbenchError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        who = _named(config)
        if "modified by an inplace operation" in str(error):
            raise ConfigError(
                f"{who}: a layer needs its output for the backward pass, and the layer after it, such as a ReLU, "
                "changes that in place: return a clone() of it, or use inplace=False"
            ) from error
        raise ConfigError(f"{who}: a step of training with it fails: {reason(error)}") from error


@contextmanager
def outside_explained(config: Config, networks: Sequence[nn.Module]) -> Iterator[None]:
    """Within, an error out of code from outside becomes a ConfigError that names it: norm and layer, or the network."""
    try:
        yield
    except NormbenchError:
        raise
    except Exception as error:
        if not is_from_outside(config) or is_out_of_memory(error):
            raise
        for network in networks if config.norm.name not in NORMS else ():
            if blamed := _blamed(error.__traceback__, network):
                layer, place = blamed
                raise _refusal(config.norm.name, layer, f"{_first_line(error)} ({place})") from error
        if config.model.name not in MODELS and own_line(error):
            raise ConfigError(f"model {config.model.name!r}: {reason(error)}") from error
        raise


def _named(config: Config) -> str:
    """The code from outside, for a message: the norm, the network, or both."""
    norm, model = config.norm.name, config.model.name
    named = [f"norm {norm!r}"] * (norm not in NORMS) + [f"model {model!r}"] * (model not in MODELS)
    return " in ".join(named)


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    """The norm layers by their names in the network."""
    return {name: module for name, module in network.named_modules() if getattr(module, "is_norm", False)}


def _checked(norm: str, layer: str):  # type: ignore[no-untyped-def]  # a forward hook
    def check(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        (x,) = inputs
        if not isinstance(output, Tensor):
            raise _refusal(norm, layer, f"returned {type(output).__name__}, not a tensor")
        if output.shape != x.shape:
            raise _refusal(norm, layer, f"returned the shape {_size(output)} for {_size(x)}: they must be equal")
        if output.dtype not in (x.dtype, torch.float32):
            raise _refusal(norm, layer, f"returned {output.dtype} for {x.dtype}: they must be equal")
        if output.device != x.device:
            raise _refusal(norm, layer, f"returned a tensor on {output.device} for one on {x.device}")

    return check


def _check_state(config: Config, network: nn.Module, before: set[str]) -> None:
    """Raises ConfigError for state that the first call has made, for parameters in hiding, and for a kept graph."""
    norms = _layers(network) if config.norm.name not in NORMS else {}
    made = sorted(set(network.state_dict()) - before)
    if made:
        layer, _, name = made[0].rpartition(".")
        who = f"norm {config.norm.name!r}" if layer in norms else _named(config)
        raise ConfigError(
            f"{who}, layer {layer or '(the network)'}: makes {name!r} in its first call, too late to be kept: make it "
            "in __init__"
        )
    known = {id(parameter) for parameter in network.parameters()}
    for layer, module in norms.items():
        for name, tensor in _tensors_held(module):
            if tensor.grad_fn is not None:
                what = f"keeps the graph of a step in {name!r}: use detach() on what it stores"
                raise _refusal(config.norm.name, layer, what)
            if tensor.requires_grad and id(tensor) not in known:
                what = f"{name!r} is never trained: use nn.Parameter or nn.ParameterList"
                raise _refusal(config.norm.name, layer, what)
    for name, tensor in _tensors_held(network) if config.model.name not in MODELS else ():
        if tensor.requires_grad and tensor.is_leaf and id(tensor) not in known:
            raise ConfigError(
                f"model {config.model.name!r}: {name!r} is never trained: use nn.Parameter or nn.ParameterList"
            )


def _tensors_held(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The buffers of the module and of those in it, and the tensors in attributes of theirs, also in lists."""
    for inner in module.modules():
        for name, value in (*vars(inner).items(), *inner._buffers.items()):
            for part in value if isinstance(value, list | tuple) else [value]:
                if isinstance(part, Tensor):
                    yield name, part


def _blamed(traceback: TracebackType | None, network: nn.Module) -> tuple[str, str] | None:
    """The norm layer whose code a frame of the traceback is, and the place in that code; in a copy, its class."""
    owners = {id(inner): name for name, layer in _layers(network).items() for inner in layer.modules()}
    while traceback:
        owner, code = traceback.tb_frame.f_locals.get("self"), traceback.tb_frame.f_code
        is_of_torch = code.co_filename == _CALLS  # Module.__call__, whose self is the layer too
        if not is_of_torch and (
            id(owner) in owners or (isinstance(owner, nn.Module) and getattr(owner, "is_norm", False))
        ):
            place = f"{Path(code.co_filename).name}, line {traceback.tb_lineno}"
            return owners.get(id(owner), type(owner).__name__), place
        traceback = traceback.tb_next
    return None


def _refusal(norm: str, layer: str, what: str) -> ConfigError:
    return ConfigError(f"norm {norm!r}, layer {layer}: {what}")


def _size(x: Tensor) -> str:
    return "[" + ", ".join(map(str, x.shape)) + "]"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}".removesuffix(": ")

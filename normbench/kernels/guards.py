"""Guards: the state of modules that a graph and its ops were derived from, compared before each use."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from normbench.kernels.eager import is_plain

_SETTINGS = (bool, int, float, str, tuple, type(None))  # types of attributes that are settings


def has_hooks(module: nn.Module) -> bool:
    """Whether calling the module does more than its class defines: it has hooks, or a `forward` of its own."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in module.__dict__
    )


class Guards:
    """The state of modules, but for their training modes and the values of their tensors."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self.modules = tuple(dict.fromkeys(modules))
        self._states = [
            (module, has_hooks(module), [*module._modules.values()], _settings(module), _descriptors(module))
            for module in self.modules
        ]

    def hold(self) -> bool:
        """Whether hooks, submodules, settings, and shapes, strides and types of tensors are what they were."""
        return all(
            has_hooks(module) == hooked
            and [*module._modules.values()] == submodules
            and module.__dict__.items() >= settings.items()
            and _descriptors(module) == descriptors
            for module, hooked, submodules, settings, descriptors in self._states
        )

    def restore_settings(self) -> None:
        """Takes back what the modules did to their settings."""
        for module, _, _, settings, _ in self._states:
            module.__dict__.update(settings)

    def training_modes(self) -> tuple[bool, ...]:
        return tuple([module.training for module in self.modules])


def _settings(module: nn.Module) -> Mapping[str, Any]:
    return {
        name: value
        for name, value in module.__dict__.items()
        if isinstance(value, _SETTINGS) and not name.startswith("_") and name != "training"
    }


def _descriptors(module: nn.Module) -> list[tuple[Any, ...] | None]:
    return [
        None if tensor is None else _descriptor(tensor)
        for tensor in (*module._parameters.values(), *module._buffers.values())
    ]


def _descriptor(tensor: Tensor) -> tuple[Any, ...]:
    if not is_plain(tensor):  # no op takes it
        return (type(tensor),)
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.device

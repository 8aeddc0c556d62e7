"""What a network must not hold if its norm layers are to be exchanged."""

import re
from collections import Counter

from torch import jit, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from normbench.models.exchange.dry_run import DryRun
from normbench.models.exchange.places import BASES, base_of, paths_of, refusal

_KNOWN = ", ".join(f"nn.{base.__name__}" for base in BASES)
_FROZEN = re.compile("frozen.*norm", re.IGNORECASE)  # FrozenBatchNorm2d of torchvision and others
_FUSED = ("torch.ao.", "torch.nn.intrinsic", "torch.nn.quantized", "torch.nn.qat")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def check_plain(network: nn.Module) -> None:
    """Raises ConfigError for a network that is not made of plain PyTorch modules with their weights."""
    for path, module in network.named_modules():
        if isinstance(module, jit.ScriptModule):
            raise refusal(path, module, "is scripted or traced by TorchScript: hand over the network as it was before")
        if hasattr(module, "_orig_mod") or module._compiled_call_impl is not None:
            raise refusal(path, module, "is compiled by torch.compile: hand over the network as it was before")
        if type(module).__module__.startswith(_FUSED):
            raise refusal(path, module, "is fused or quantized: hand over the network as it was before")
        if issubclass(type(module), LazyModuleMixin):
            raise refusal(path, module, "is lazy, so it does not know its shape yet: write out the size of its input")


def check_norms(network: nn.Module) -> None:
    """Raises ConfigError for norm layers that cannot be exchanged, whatever the forward pass does."""
    paths = {module: names[0] for module, names in paths_of(network).items()}
    for module, path in paths.items():
        _check_class(module, path)
    owners = Counter(id(parameter) for module in paths for parameter in set(module._parameters.values()) - {None})
    layers = {module: path for module, path in paths.items() if base_of(module) is not None}
    for layer, path in layers.items():
        _check_norm(layer, path)
        if any(owners[id(parameter)] > 1 for parameter in layer.parameters()):
            raise refusal(
                path, layer, "shares its weight or bias with another layer: give it its own, or use one layer twice"
            )
    if network in layers:
        raise refusal("", network, "is a norm layer alone: put it into an nn.Sequential")


def _check_class(module: nn.Module, path: str) -> None:
    if isinstance(module, nn.SyncBatchNorm):
        raise refusal(path, module, "synchronizes processes, of which there is one here: use nn.BatchNorm2d")
    if isinstance(module, _NormBase) and base_of(module) is None:
        raise refusal(path, module, f"is none of the norm layers that can be exchanged: {_KNOWN}")
    if _FROZEN.search(type(module).__name__):
        raise refusal(path, module, "is frozen, and the layer in its place would not be: use nn.BatchNorm2d")
    if isinstance(module, nn.TransformerEncoderLayer):
        raise refusal(
            path,
            module,
            "reads the weights of its norm layers itself: write the block with nn.MultiheadAttention and nn.LayerNorm",
        )


def _check_norm(layer: nn.Module, path: str) -> None:
    """Raises ConfigError for a norm layer with a state or with settings that another norm cannot take over."""
    if parametrize.is_parametrized(layer):
        raise refusal(path, layer, "has a parametrization: remove it from the norm layers")
    if any(getattr(layer, hooks) for hooks in _HOOKS):
        raise refusal(path, layer, "has hooks, which its exchange would remove: register none on norm layers")
    if isinstance(layer, _BatchNorm) and not layer.track_running_stats:
        raise refusal(
            path,
            layer,
            "has no running statistics (track_running_stats=False), so it is not batch norm in evaluation: leave that "
            "setting out",
        )
    if any(not parameter.requires_grad for parameter in layer.parameters()):
        raise refusal(
            path,
            layer,
            "is frozen (requires_grad=False), and the layer in its place would be trained: leave it trainable",
        )


def check_run(network: nn.Module, run: DryRun) -> None:
    """Raises ConfigError for norms that the forward pass does not call as layers that can be exchanged."""
    paths = {module: names[0] for module, names in paths_of(network).items()}
    for call in run.norm_calls:
        if not _is_norm(call.module):
            raise refusal(
                paths[call.module],
                call.module,
                f"calls {call.function} as a function, or through a layer that is not registered in a module: make it "
                "a layer of the network, such as nn.BatchNorm2d, or give the network a parameter 'norm'",
            )
    for layer in run.inputs:
        if base_of(layer) is not None and not run.was_training[layer]:
            raise refusal(
                paths[layer],
                layer,
                "is frozen: it stays in evaluation mode while the network trains. Leave `train()` and `eval()` of norm "
                "layers to normbench",
            )
    if not any(base_of(layer) is not None for layer in paths):
        raise refusal(
            "",
            network,
            f"has no norm layer that could be exchanged ({_KNOWN}), and no parameter 'norm'; a network whose norm "
            "layers are fused into its convs must be handed over before that",
        )


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, _NormBase) or base_of(module) is not None

"""Layers in a row, computed together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from normbench.kernels import Images, Kernel, images_of, run
from normbench.models.dropout import Dropout
from normbench.norms.compiled import Compiled, CompiledNorm


class Merged(nn.Sequential):
    """`nn.Sequential`, in which layers with kernels are computed in one call if they follow each other.

    A norm, the ReLU and the Dropout behind it take one pass over their images; a norm with an activation of its own
    has an Identity in the place of the ReLU. The outcome is that of one layer after the other, where those three round
    once. Layers that somebody listens to by a hook are called one by one. A Merged within counts as its layers.
    """

    _groups: tuple[Sequence[nn.Module], list["_Layer | _Norm"]] = (), []

    def forward(self, x: Tensor) -> Tensor:
        images = images_of(x)
        ahead: list[Kernel] = []
        layers = tuple(_layers_of(self))
        if layers != self._groups[0]:  # at first, or where one was replaced
            self._groups = layers, _grouped(layers)
        for group in self._groups[1]:
            kernel = group.kernel(images) if images else None
            if kernel is None and ahead:  # once more, with the numbers
                x, ahead = run(x, *ahead), []
                images = images_of(x)
                kernel = group.kernel(images) if images else None
            if kernel:
                ahead.append(kernel)
                images = kernel.plan.y
            else:
                for layer in group:
                    x = layer(x)
                images = images_of(x)
        return run(x, *ahead) if ahead else x


def _layers_of(container: nn.Module) -> Iterator[nn.Module]:
    for layer in container._modules.values():
        assert layer is not None
        if isinstance(layer, Merged) and not _is_heard(layer):
            yield from _layers_of(layer)
        else:
            yield layer


class _Layer(NamedTuple):
    """One by itself."""

    layer: nn.Module

    def kernel(self, images: Images) -> Kernel | None:
        return self.layer.kernel(images) if isinstance(self.layer, Compiled) and not _is_heard(self.layer) else None


class _Norm(NamedTuple):
    """One with the two that follow it."""

    norm: CompiledNorm
    act: nn.Module
    dropout: Dropout

    def kernel(self, images: Images) -> Kernel | None:
        if _is_heard(self.norm) or _is_heard(self.act) or _is_heard(self.dropout):
            return None
        drop = self.dropout.threshold
        relu = {} if self.norm.has_activation else {"relu": True}
        kernel = self.norm.kernel(images, drop=drop, **relu)
        return kernel._replace(seed=self.dropout.draw()) if kernel and drop else kernel


def _grouped(layers: Sequence[nn.Module]) -> list[_Layer | _Norm]:
    groups: list[_Layer | _Norm] = []
    while layers:
        match layers[:3]:
            case [CompiledNorm(has_activation=False) as norm, nn.ReLU() as act, Dropout() as dropout] | [
                CompiledNorm(has_activation=True) as norm,
                nn.Identity() as act,
                Dropout() as dropout,
            ]:
                groups.append(_Norm(norm, act, dropout))
            case [layer, *_]:
                groups.append(_Layer(layer))
        layers = layers[len(groups[-1]) :]
    return groups


def _is_heard(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks)

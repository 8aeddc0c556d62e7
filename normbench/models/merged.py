"""Layers in a row, computed together."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from normbench.kernels import Branches, Images, Kernel, Row, images_of, run
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
        ahead: list[Kernel | Branches] = []
        for group in self._grouped():
            row = group.row(images) if images else None
            if row is None and ahead:  # once more, with the numbers
                x, ahead = run(x, *ahead), []
                images = images_of(x)
                row = group.row(images) if images else None
            if row and images:
                ahead += row
                images = output_of(row)
            else:
                for layer in group:
                    x = layer(x)
                images = images_of(x)
        return run(x, *ahead) if ahead else x

    def row(self, images: Images) -> Row | None:
        """The kernels of all layers, or None: without the input's numbers, as what was asked with them has to run."""
        images, whole = Images(images.shape, images.dtype), list[Kernel | Branches]()
        for group in self._grouped():
            row = group.row(images)
            if row is None:
                return None
            whole += row
            images = output_of(row)
        return whole

    def _grouped(self) -> list["_Layer | _Norm"]:
        layers = tuple(_layers_of(self))
        if layers != self._groups[0]:  # at first, or where one was replaced
            self._groups = layers, _group(layers)
        return self._groups[1]


def row_of(layer: nn.Module, images: Images) -> Row | None:
    """The kernels of a layer, or of layers that say so by a `row` of their own; None if one has none, or if somebody
    listens."""
    if _is_heard(layer):
        return None
    if isinstance(layer, Compiled):
        kernel = layer.kernel(images)
        return [kernel] if kernel else None
    row: Callable[[Images], Row | None] | None = getattr(layer, "row", None)
    return row(images) if row else None


def output_of(row: Row) -> Images:
    """What comes out of it."""
    last = row[-1]
    return last.plan.y if isinstance(last, Kernel) else output_of(last.first)


class _Layer(NamedTuple):
    """One by itself."""

    layer: nn.Module

    def row(self, images: Images) -> Row | None:
        return row_of(self.layer, images)


class _Norm(NamedTuple):
    """One with the two that follow it."""

    norm: CompiledNorm
    act: nn.Module
    dropout: Dropout

    def row(self, images: Images) -> Row | None:
        if any(map(_is_heard, self)):
            return None
        drop = self.dropout.threshold
        relu = {} if self.norm.has_activation else {"relu": True}
        kernel = self.norm.kernel(images, drop=drop, **relu)
        if kernel and drop:
            kernel = kernel._replace(seed=self.dropout.draw)
        return [kernel] if kernel else None


def _layers_of(container: nn.Module) -> Iterator[nn.Module]:
    for layer in container._modules.values():
        assert layer is not None
        if isinstance(layer, Merged) and not _is_heard(layer):
            yield from _layers_of(layer)
        else:
            yield layer


def _group(layers: Sequence[nn.Module]) -> list[_Layer | _Norm]:
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

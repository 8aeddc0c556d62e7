"""Runs of nodes in a network's graph that one graph of ops computes."""

import operator
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from normbench.kernels import graph
from normbench.kernels.functions import PixelMean, constant_of, target_shape
from normbench.kernels.guards import has_hooks
from normbench.kernels.layers.activations import lower_dropout
from normbench.kernels.layers.binding import Lowered, autocast_dtype
from normbench.kernels.lowering import ACTIVATIONS, LOWERINGS, VECTOR_LAYERS, lower
from normbench.kernels.op import NO_EPILOGUE, Epilogue, TensorDesc
from normbench.kernels.ops.add import add
from normbench.kernels.schedule import INPUT, Node
from normbench.kernels.tracing import Traced
from normbench.models.dropout import Dropout, threshold_of

_ADDS = (operator.add, operator.iadd, torch.add)
_STARTS = LOWERINGS.keys() - {*ACTIVATIONS, nn.Linear}
"""Layers that a run may start with: an activation alone is no faster as an op."""

Seed = Callable[[], int]
"""Draws the seed of a dropout mask, below 2^64."""


class Run(NamedTuple):
    """Neighbouring nodes with one input and one output, as a graph of ops."""

    stop: int
    """The index after the last node of the run."""
    nodes: tuple[Node, ...]
    lowered: tuple[Lowered, ...]
    seeds: tuple["Seed | None", ...]
    """For each op what draws the seed of its dropout mask."""
    is_flat: bool = False
    """Whether the output is [N, C], which ops compute as images of one pixel."""

    @property
    def draws_globally(self) -> bool:
        """Whether some mask comes from torch's global generator."""
        return _draw_globally in self.seeds

    def __call__(self, x: Tensor) -> Tensor:
        parameters = [tensor for layer in self.lowered for tensor in layer.parameters()]
        buffers = [tensor for layer in self.lowered for tensor in layer.buffers()]
        seeds = [0 if draw is None else draw() for draw in self.seeds]
        y = graph.run(x.to(self.nodes[0].op.x.dtype), self.nodes, parameters, buffers, seeds)
        return y.flatten(1) if self.is_flat else y


def source_of(node: fx.Node) -> fx.Node | None:
    """The node whose value is the first argument of a node, and the only one that is no constant; else None."""
    source = node.args[0] if node.args else None
    return source if isinstance(source, fx.Node) and node.all_input_nodes == [source] else None


def can_start(traced: Traced, node: fx.Node) -> bool:
    """Whether some run could begin with the node."""
    return source_of(node) is not None and type(traced.modules.get(node)) in _STARTS


def find_run(traced: Traced, start: int, x: TensorDesc) -> Run | None:
    """The longest run that starts at the node of this index, whose input x describes; None if no op computes the node.

    Under autocast a conv takes float32 images too: as autocast would, the run casts them.
    """
    run = _Builder(traced, start, x).longest()
    if run is None and isinstance(traced.modules[traced.nodes[start]], nn.Conv2d) and x.dtype == torch.float32:
        cast = autocast_dtype()
        run = _Builder(traced, start, x._replace(dtype=cast)).longest() if cast else None
    return run


class _Value(NamedTuple):
    """The value of a node inside a run."""

    op: int  # the index of the op that computes it, or INPUT
    desc: TensorDesc
    is_flat: bool = False
    """Whether the network sees [N, C] where ops see images of one pixel, [N, C, 1, 1]."""

    @property
    def size(self) -> tuple[int, ...]:
        return self.desc.shape[:2] if self.is_flat else self.desc.shape


class _Tail(NamedTuple):
    """Nodes that follow a layer, as the epilogue of its op."""

    epilogue: Epilogue
    seed: Seed | None  # of an active dropout
    stop: int  # the index after the last of the nodes


class _Builder:
    """Lowers node after node from `start` on, until one cannot be lowered."""

    def __init__(self, traced: Traced, start: int, x: TensorDesc) -> None:
        self.traced, self.start = traced, start
        self.position = {node: i for i, node in enumerate(traced.nodes)}
        source = source_of(traced.nodes[start])
        assert source is not None, "a run starts at a node for which `can_start` is true"
        self.values = {source: _Value(INPUT, x)}
        self.aliases: dict[fx.Node, fx.Node] = {}
        """Nodes that return their source itself, or a view of it."""
        self.constants: dict[fx.Node, int | tuple[int, ...]] = {}
        """The sizes of tensors that nodes return."""
        self.nodes: list[Node] = []
        self.lowered: list[Lowered] = []
        self.seeds: list[Seed | None] = []

    def longest(self) -> Run | None:
        found, stop = None, self.start
        while stop < len(self.traced.nodes) and (after := self._lower(stop)):
            stop = after
            if self._is_closed(stop):
                is_flat = self.values[self.traced.nodes[stop - 1]].is_flat
                found = Run(stop, tuple(self.nodes), tuple(self.lowered), tuple(self.seeds), is_flat)
        return found

    def _is_closed(self, stop: int) -> bool:
        """Whether only the last node before `stop` is used outside of the run, and the last op computes it."""
        *inner, last = self.traced.nodes[self.start : stop]
        if not self.nodes or last not in self.values or self.values[last].op != len(self.nodes) - 1:
            return False
        return all(self.position.get(user, stop) < stop for node in inner for user in node.users)

    def _lower(self, i: int) -> int | None:
        """Appends the op of node i with its epilogue. Returns the index after both; None if no op computes the node."""
        node = self.traced.nodes[i]
        if node.target in _ADDS:
            return self._lower_add(i)
        first, layer = node.args[0] if node.args else None, self.traced.modules.get(node)
        if not isinstance(first, fx.Node):
            return None
        if first in self.values and self._flattens(node, self.values[first]):
            return self._pass_on(i, first, is_flat=True)
        if layer and first in self.values and source_of(node):
            return self._lower_layer(i, layer, first)
        size = self.values[first].size if first in self.values else None
        constant = constant_of(node, size, self.constants.get(first))
        if constant is None:
            return None
        self.constants[node] = constant
        return i + 1

    def _lower_layer(self, i: int, layer: nn.Module, source: fx.Node) -> int | None:
        if has_hooks(layer) or (layer._buffers and self._was_called_before(i, layer)):
            return None  # two calls of a layer in one graph would update the same buffers
        value, dropped = self.values[source], _dropped(layer)
        if type(layer) is nn.Identity or dropped == 0:
            return self._pass_on(i, source, is_flat=value.is_flat)
        if type(layer) not in VECTOR_LAYERS if value.is_flat else type(layer) is nn.Linear:
            return None
        if getattr(layer, "inplace", False) and self._has_other_readers(source):
            return None
        if dropped:
            tail = _Tail(Epilogue(drop=dropped), _seed_of(layer), i + 1)
            lowered = lower_dropout(value.desc, dropped)
            return self._append(lowered, (value.op,), tail, value.is_flat) if lowered else None
        for tail in self._tails(i):
            lowered = lower(layer, value.desc, tail.epilogue)
            if lowered:
                is_flat = value.is_flat or (type(layer) is PixelMean and not layer.keepdim)
                return self._append(lowered, (value.op,), tail, is_flat)
        return None

    def _flattens(self, node: fx.Node, value: _Value) -> bool:
        """Whether the node makes vectors [N, C] of a value that is images of one pixel."""
        num_images, channels, *pixels = value.desc.shape
        layer = self.traced.modules.get(node)
        if pixels != [1, 1]:
            return False
        if type(layer) is nn.Flatten:
            return not has_hooks(layer) and (layer.start_dim, layer.end_dim) in ((1, -1), (1, 3))
        shape = target_shape(node, self.constants)
        return shape in ((num_images, channels), (num_images, -1), (-1, channels))

    def _pass_on(self, i: int, source: fx.Node, *, is_flat: bool) -> int:
        """Node i returns the value of its source, or a view of it."""
        node = self.traced.nodes[i]
        self.values[node] = self.values[source]._replace(is_flat=is_flat)
        self.aliases[node] = source
        return i + 1

    def _has_other_readers(self, node: fx.Node) -> bool:
        """Whether a change of the node's value in place would be seen by others than the node that makes it."""
        if self.values[node].op == INPUT or len(node.users) > 1:
            return True
        return node in self.aliases and self._has_other_readers(self.aliases[node])

    def _lower_add(self, i: int) -> int | None:
        node = self.traced.nodes[i]
        addends = [part for part in node.args if isinstance(part, fx.Node) and part in self.values]
        if len(addends) != 2 or len(node.args) != 2 or node.kwargs:
            return None
        if node.target is operator.iadd and self._has_other_readers(addends[0]):
            return None
        (first, x, is_flat), (second, other, other_is_flat) = (self.values[addend] for addend in addends)
        if (x.shape, x.dtype, is_flat) != (other.shape, other.dtype, other_is_flat):
            return None
        lowered = Lowered(add(TensorDesc(x.shape, x.dtype)))
        return self._append(lowered, (first, second), _Tail(NO_EPILOGUE, None, i + 1), is_flat)

    def _append(self, lowered: Lowered, sources: tuple[int, ...], tail: _Tail, is_flat: bool) -> int:
        self.nodes.append(Node(lowered.op, sources))
        self.lowered.append(lowered)
        self.seeds.append(tail.seed)
        self.values[self.traced.nodes[tail.stop - 1]] = _Value(len(self.nodes) - 1, lowered.op.y, is_flat)
        return tail.stop

    def _was_called_before(self, i: int, layer: nn.Module) -> bool:
        return any(self.traced.modules.get(node) is layer for node in self.traced.nodes[self.start : i])

    def _tails(self, i: int) -> list[_Tail]:
        """What follows node i and may be its epilogue, the longest first: ReLU, then dropout, or neither."""
        nodes, tails = self.traced.nodes, [_Tail(NO_EPILOGUE, None, i + 1)]
        for j in range(i + 1, len(nodes)):
            layer = self.traced.modules.get(nodes[j])
            is_only_reader = source_of(nodes[j]) is nodes[j - 1] and len(nodes[j - 1].users) == 1
            if not is_only_reader or (layer is not None and has_hooks(layer)):
                break
            epilogue = tails[-1].epilogue
            if type(layer) is nn.ReLU and not epilogue.relu:
                tails.append(_Tail(Epilogue(relu=True), None, j + 1))
            elif (dropped := _dropped(layer)) is not None:
                tails.append(_Tail(epilogue._replace(drop=dropped), _seed_of(layer) if dropped else None, j + 1))
                break
            elif type(layer) is not nn.Identity:
                break
        return tails[::-1]


def _dropped(layer: nn.Module | None) -> int | None:
    """Of 65,536 elements, how many a dropout layer drops in its next call; None for a layer that is none."""
    if type(layer) is Dropout:
        return layer.threshold
    if type(layer) is nn.Dropout and layer.p < 1:
        return threshold_of(layer.p) if layer.training else 0
    return None


def _seed_of(layer: nn.Module | None) -> Seed:
    """PyTorch's own dropout draws its mask from torch's global generator, and its op one seed."""
    return layer.draw if isinstance(layer, Dropout) else _draw_globally


def _draw_globally() -> int:
    return int(torch.randint(2**63 - 1, ()).item())

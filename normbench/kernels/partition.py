"""Runs of nodes in a network's graph that one graph of ops computes."""

import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from normbench.kernels import graph
from normbench.kernels.guards import has_hooks
from normbench.kernels.lowering import LOWERINGS, Lowered, autocast_dtype, lower
from normbench.kernels.op import NO_EPILOGUE, Epilogue, TensorDesc
from normbench.kernels.ops.add import add
from normbench.kernels.schedule import INPUT, Node
from normbench.kernels.tracing import Traced
from normbench.models.dropout import Dropout

_ADDS = (operator.add, operator.iadd, torch.add)
_RELUS = (F.relu, torch.relu)


class Run(NamedTuple):
    """Neighbouring nodes with one input and one output, as a graph of ops."""

    stop: int
    """The index after the last node of the run."""
    nodes: tuple[Node, ...]
    lowered: tuple[Lowered, ...]
    dropouts: tuple[Dropout | None, ...]
    """Of each op the layer that draws the seed of its mask."""

    def __call__(self, x: Tensor) -> Tensor:
        parameters = [tensor for layer in self.lowered for tensor in layer.parameters()]
        buffers = [tensor for layer in self.lowered for tensor in layer.buffers()]
        seeds = [0 if dropout is None else dropout.draw() for dropout in self.dropouts]
        return graph.run(x.to(self.nodes[0].op.x.dtype), self.nodes, parameters, buffers, seeds)


def source_of(node: fx.Node) -> fx.Node | None:
    """The node whose value is the only argument of a node; None for nodes with others."""
    return node.args[0] if len(node.args) == 1 and isinstance(node.args[0], fx.Node) else None


def can_start(traced: Traced, node: fx.Node) -> bool:
    """Whether some run could begin with the node."""
    return node.op == "call_module" and source_of(node) is not None and type(traced.modules[node]) in LOWERINGS


def find_run(traced: Traced, start: int, x: TensorDesc) -> Run | None:
    """The longest run that starts at the node of this index, whose input x describes; None if no op computes the node.

    Under autocast a conv takes float32 images too: as autocast would, the run casts them.
    """
    run = _Builder(traced, start, x).longest()
    if run is None and isinstance(traced.modules[traced.nodes[start]], nn.Conv2d) and x.dtype == torch.float32:
        cast = autocast_dtype()
        run = _Builder(traced, start, x._replace(dtype=cast)).longest() if cast else None
    return run


class _Builder:
    """Lowers node after node until one cannot be lowered."""

    def __init__(self, traced: Traced, start: int, x: TensorDesc) -> None:
        self.traced, self.start = traced, start
        self.position = {node: i for i, node in enumerate(traced.nodes)}
        source = source_of(traced.nodes[start])
        assert source is not None, "can_start was asked before"
        self.outputs: dict[fx.Node, tuple[int, TensorDesc]] = {source: (INPUT, x)}  # index of the op, its output
        self.nodes: list[Node] = []
        self.lowered: list[Lowered] = []
        self.dropouts: list[Dropout | None] = []

    def longest(self) -> Run | None:
        found, stop = None, self.start
        while stop < len(self.traced.nodes) and (after := self._lower(stop)):
            stop = after
            if self._is_closed(stop):
                found = Run(stop, tuple(self.nodes), tuple(self.lowered), tuple(self.dropouts))
        return found

    def _is_closed(self, stop: int) -> bool:
        """Whether only the last node before `stop` is used outside of the run, and the last op computes it."""
        *inner, last = self.traced.nodes[self.start : stop]
        if not self.nodes or self.outputs[last][0] != len(self.nodes) - 1:
            return False
        return all(self.position.get(user, stop) < stop for node in inner for user in node.users)

    def _lower(self, i: int) -> int | None:
        """Appends the op of node i with its epilogue. Returns the index after them; None if no op computes the node."""
        node = self.traced.nodes[i]
        if node.op == "call_function":
            return self._lower_add(i) if node.target in _ADDS else None
        source = source_of(node)
        if node.op != "call_module" or source not in self.outputs:
            return None
        layer = self.traced.modules[node]
        if has_hooks(layer) or (layer._buffers and any(layer is seen for seen in self._layers_before(i))):
            return None  # both calls of a layer would update the same buffers
        index, x = self.outputs[source]
        # An Identity returns its input itself, and a ReLU in place would change what the other readers see.
        has_own_output = type(layer) is not nn.Identity or len(source.users) == 1
        for epilogue, dropout, stop in self._epilogues(i) if has_own_output else ():
            lowered = lower(layer, x, epilogue)
            if lowered:
                return self._append(lowered, (index,), dropout, stop)
        if type(layer) is nn.Identity or _is_inactive_dropout(layer):
            self.outputs[node] = self.outputs[source]
            return i + 1
        return None

    def _lower_add(self, i: int) -> int | None:
        node = self.traced.nodes[i]
        sources = [self.outputs.get(part) for part in node.args if isinstance(part, fx.Node)]
        if len(node.args) != 2 or node.kwargs or len(sources) != 2 or None in sources:
            return None
        (first, x), (second, other) = (source for source in sources if source)
        in_place = node.target is operator.iadd
        if x[:2] != other[:2] or (in_place and len(node.args[0].users) > 1):  # type: ignore[union-attr]
            return None
        return self._append(Lowered(add(TensorDesc(x.shape, x.dtype))), (first, second), None, i + 1)

    def _append(self, lowered: Lowered, sources: tuple[int, ...], dropout: Dropout | None, stop: int) -> int:
        self.nodes.append(Node(lowered.op, sources))
        self.lowered.append(lowered)
        self.dropouts.append(dropout)
        self.outputs[self.traced.nodes[stop - 1]] = (len(self.nodes) - 1, lowered.op.y)
        return stop

    def _layers_before(self, i: int) -> Iterator[nn.Module]:
        nodes = self.traced.nodes[self.start : i]
        return (self.traced.modules[node] for node in nodes if node.op == "call_module")

    def _epilogues(self, i: int) -> Sequence[tuple[Epilogue, Dropout | None, int]]:
        """What follows node i and may be its epilogue, the longest first: (epilogue, its dropout, index after it)."""
        found: list[tuple[Epilogue, Dropout | None, int]] = [(NO_EPILOGUE, None, i + 1)]
        epilogue, nodes = NO_EPILOGUE, self.traced.nodes
        for j in range(i + 1, len(nodes)):
            if source_of(nodes[j]) is not nodes[j - 1] or len(nodes[j - 1].users) > 1:
                break
            layer = self.traced.modules.get(nodes[j])
            if layer is not None and has_hooks(layer):
                break
            if (type(layer) is nn.ReLU or nodes[j].target in _RELUS) and not epilogue.relu:
                epilogue = Epilogue(relu=True)
                found.append((epilogue, None, j + 1))
            elif isinstance(layer, Dropout) and type(layer) is Dropout:
                active = not _is_inactive_dropout(layer)
                found.append((epilogue._replace(drop=layer.threshold), layer if active else None, j + 1))
                break
            elif type(layer) is not nn.Identity:
                break
        return found[::-1]


def _is_inactive_dropout(layer: nn.Module) -> bool:
    return type(layer) is Dropout and layer.threshold == 0

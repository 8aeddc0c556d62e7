"""The graph of a network by symbolic tracing (`torch.fx`), down to the modules that are called as a whole."""

import operator
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partialmethod
from typing import Any, NamedTuple

from torch import fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from normbench.kernels.functions import layer_of
from normbench.kernels.guards import Guards, has_hooks
from normbench.kernels.lowering import is_known


class Traced(NamedTuple):
    """A network with one input, as operations in the order in which it applies them."""

    model: nn.Module
    input: fx.Node
    nodes: tuple[fx.Node, ...]
    output: Any  # a node, or a structure of nodes
    modules: Mapping[fx.Node, nn.Module]  # those that nodes call, and those that compute what a function does
    guards: Guards  # as long as they hold, the graph is that of the network


def trace(model: nn.Module) -> Traced | None:
    """The graph of the model in its present training modes; None for a forward that cannot be traced.

    Tracing calls `forward` with a symbol in the place of a tensor. Code that needs a value, such as an `if` on a
    tensor, fails. Code that computes without the symbol, such as the draw of a random number, would leave its outcome
    in the graph: that is detected, and the network counts as one that cannot be traced.
    """
    before, random_state = Guards(model.modules()), random.getstate()
    tracer = _Tracer()
    try:
        with _NoComputation():
            graph = tracer.trace(model)
    except Exception:  # whatever the network raises when it meets a symbol
        return None
    finally:
        is_pure = random.getstate() == random_state and before.hold()
        random.setstate(random_state)
        before.restore_settings()
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if not is_pure or len(inputs) != 1:
        return None
    nodes = tuple(node for node in graph.nodes if node.op not in ("placeholder", "output"))
    (output,) = (node.args[0] for node in graph.nodes if node.op == "output")
    modules = {node: layer for node in nodes if (layer := layer_of(node))}
    modules |= {node: model.get_submodule(str(node.target)) for node in nodes if node.op == "call_module"}
    return Traced(model, inputs[0], nodes, output, modules, Guards([model, *tracer.seen]))


class _Tracer(fx.Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[nn.Module] = []
        """Modules whose state decides the graph or an op: those traced through, those with hooks, known layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_layer = not m._modules or getattr(m, "is_norm", False) or super().is_leaf_module(m, module_qualified_name)
        if is_known(m) or has_hooks(m) or not is_layer:
            self.seen.append(m)
        return is_layer or has_hooks(m)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)


class _Proxy(fx.Proxy):
    """A symbol on which `x += y` is recorded as the change in place that it is for tensors; fx records x + y."""

    def _in_place(self, operation: Callable[..., Any], other: Any) -> fx.Proxy:
        proxy: fx.Proxy = self.tracer.create_proxy("call_function", operation, (self, other), {})
        return proxy

    __iadd__ = partialmethod(_in_place, operator.iadd)
    __isub__ = partialmethod(_in_place, operator.isub)
    __imul__ = partialmethod(_in_place, operator.imul)
    __itruediv__ = partialmethod(_in_place, operator.itruediv)


class _NoComputation(TorchDispatchMode):
    """Within, an operation on a real tensor raises an error before it has an effect."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} was called on a tensor while the network was traced")

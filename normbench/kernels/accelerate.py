"""A network that computes the same through fused ops, in the way of `torch.compile`."""

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from normbench.kernels.eager import is_eager, is_listened_to
from normbench.kernels.guards import has_hooks
from normbench.kernels.layers.binding import autocast_dtype
from normbench.kernels.library import library
from normbench.kernels.op import TensorDesc, describe
from normbench.kernels.partition import Run, can_start, find_run, source_of
from normbench.kernels.tracing import Traced, trace

MAX_TRACES = 8  # of one network: one that changes in every step is left to PyTorch


def accelerate(model: nn.Module) -> nn.Module:
    """A module that computes what `model` does, through the compiled kernels where they cover its layers.

    The two share all layers: a training step or a mode set on one holds for the other. Keep the model itself for its
    state dict. The result follows changes of the model: training modes, settings of layers, hooks, replaced layers.

    Calls with one tensor on the CPU are accelerated. The network is traced with `torch.fx`, and runs of layers that
    `lowering.LOWERINGS` names become graphs of fused ops, which round less often than one layer after the other.
    PyTorch computes all else: unknown layers, layers with hooks, shapes and types that no op covers, other devices, a
    network that cannot be traced, and everything where the kernels could not be built. It computes all calls that are
    compiled, traced or transformed, as `eager.is_eager` says.

    The kernels have first derivatives only. A gradient of gradients (`create_graph=True`, `torch.autograd.functional`'s
    hvp and jvp) or a batch of gradients raises RuntimeError; within `without_kernels()` PyTorch computes them. So does
    `torch.fx` for the result itself: it can trace `model`.
    """
    return model if isinstance(model, Accelerated) else Accelerated(model)


class Coverage(NamedTuple):
    """Operations of a network's graph: `lowered` to ops, and `left` to PyTorch; views count as neither."""

    lowered: int
    left: int | None
    """None for a network without a graph, which PyTorch computes as a whole."""


class Accelerated(nn.Module):
    """See `accelerate`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._executors: list[_Executor] = []
        self._num_traces = 0

    def forward(self, *inputs: Any, **options: Any) -> Any:
        if is_eager():
            if not isinstance(inputs, tuple):
                raise RuntimeError("torch.fx cannot trace an accelerated network: trace its `model`")
            if len(inputs) == 1 and not options and isinstance(inputs[0], Tensor) and inputs[0].device.type == "cpu":
                executor = self._executor()
                if executor:
                    return executor(inputs[0])
        return self.model(*inputs, **options)

    def _executor(self) -> "_Executor | None":
        """For the network in its present state; None where PyTorch computes it."""
        if library() is None or has_hooks(self.model) or is_listened_to():
            return None
        for executor in self._executors:
            if executor.is_current():
                return executor
        if self._num_traces == MAX_TRACES:
            return None
        self._num_traces += 1
        traced = trace(self.model)
        if traced is None:
            self._num_traces = MAX_TRACES
            return None
        self._executors = [_Executor(traced), *(executor for executor in self._executors if executor.guards.hold())]
        return self._executors[0]

    def whole_run(self, x: Tensor) -> Run | None:
        """The graph of ops that computes the whole network for images like x, the input of the last call; or None."""
        executor = self._executor()
        return executor.whole if executor and executor.whole and executor.whole_input == describe(x) else None

    def __reduce__(self) -> tuple[Any, ...]:
        return accelerate, (self.model,)  # copies and pickles trace the model anew


class _Executor:
    """Applies the nodes of a traced network in their order, and runs of them as graphs of ops."""

    def __init__(self, traced: Traced) -> None:
        self.guards = traced.guards
        self._modes = traced.guards.training_modes()
        self._traced = traced
        self._sources = [source_of(node) if can_start(traced, node) else None for node in traced.nodes]
        self._dead_after = _dead_after(traced)
        self.num_lowered = self.num_left = 0
        """Nodes of the last call that ops computed, and that PyTorch computed into memory of their own."""
        self.whole: Run | None = None
        """The run that computed all of the last call, between views of its input and output."""
        self.whole_input: TensorDesc | None = None
        self._runs: dict[tuple[int, TensorDesc, torch.dtype | None], Run | None] = {}

    def is_current(self) -> bool:
        return self.guards.training_modes() == self._modes and self.guards.hold()

    def __call__(self, x: Tensor) -> Any:
        nodes, values, i = self._traced.nodes, {self._traced.input: x}, 0
        self.num_lowered = self.num_left = 0
        self.whole, runs = None, list[tuple[Run, Tensor, Tensor]]()
        while i < len(nodes):
            source = self._sources[i]
            run = self._run_from(i, values[source]) if source else None
            if run and source:
                stop, value = run.stop, run(values[source])
                self.num_lowered += stop - i
                runs.append((run, values[source], value))
            else:
                stop, value = i + 1, self._apply(nodes[i], values)
                self.num_left += _is_computed(value, values)
            values[nodes[stop - 1]] = value
            for step in range(i, stop):
                for dead in self._dead_after[step]:
                    values.pop(dead, None)
            i = stop
        output = fx.node.map_arg(self._traced.output, values.__getitem__)
        if len(runs) == 1 and not self.num_left:
            ((run, first, last),) = runs
            is_last = isinstance(output, Tensor) and output.shape == last.shape[:2] and output.is_contiguous()
            if first is x and is_last and output.data_ptr() == last.data_ptr():
                self.whole, self.whole_input = run, describe(x)
        return output

    def _run_from(self, i: int, value: object) -> Run | None:
        """The run that starts at node i for this input, as it was planned for the first input with its descriptor."""
        x = describe(value)
        if x is None:
            return None
        key = (i, x, autocast_dtype())
        if key not in self._runs:
            self._runs[key] = find_run(self._traced, i, x)
        return self._runs[key]

    def _apply(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """The value of one node by PyTorch."""
        arguments = fx.node.map_arg(node.args, values.__getitem__)
        options = fx.node.map_arg(node.kwargs, values.__getitem__)
        if callable(node.target):
            return node.target(*arguments, **options)
        if node.op == "call_module":
            return self._traced.modules[node](*arguments, **options)
        if node.op == "call_method":
            return getattr(arguments[0], node.target)(*arguments[1:], **options)
        return operator.attrgetter(node.target)(self._traced.model)


def coverage(model: nn.Module, x: Tensor) -> Coverage:
    """How many operations of a call of the network, in its present modes, ops compute; the call is made."""
    network = Accelerated(model)
    network(x)
    if not network._executors:
        return Coverage(0, None)
    return Coverage(network._executors[0].num_lowered, network._executors[0].num_left)


def _is_computed(value: object, before: Mapping[fx.Node, object]) -> bool:
    """Whether the value is a tensor of its own, neither a view nor one of those before."""
    is_new = isinstance(value, Tensor) and not value._is_view()
    return is_new and not any(value is other for other in before.values())


def _dead_after(traced: Traced) -> list[list[fx.Node]]:
    """For each node the values that no later node takes: memory is freed as early as in `forward` itself."""
    position = {node: i for i, node in enumerate(traced.nodes)}
    dead: list[list[fx.Node]] = [[] for _ in traced.nodes]
    for node in (traced.input, *traced.nodes):
        last = max((position.get(user, len(dead)) for user in node.users), default=position.get(node, 0))
        if last < len(dead):  # not the output
            dead[last].append(node)
    return dead

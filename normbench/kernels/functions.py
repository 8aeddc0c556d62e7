"""Calls of functions and methods in a network's graph, as the layers that compute the same."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F


class PixelMean(nn.Module):
    """The mean of the pixels of images, [N, C, H, W] -> [N, C]; [N, C, 1, 1] with `keepdim`."""

    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=self.keepdim)


def _mean(dim: Any, keepdim: bool = False) -> nn.Module | None:
    axes = tuple(dim) if isinstance(dim, list | tuple) else (dim,)
    return PixelMean(keepdim) if axes in ((2, 3), (-2, -1)) else None


def _flatten(start_dim: int = 0, end_dim: int = -1) -> nn.Module:
    return nn.Flatten(start_dim, end_dim)


def _dropout(p: float = 0.5, training: bool = True, inplace: bool = False) -> nn.Module:
    return nn.Dropout(p, inplace).train(training)


_LAYERS: Mapping[Any, Callable[..., nn.Module | None]] = {
    F.relu: nn.ReLU,
    torch.relu: nn.ReLU,
    F.relu6: nn.ReLU6,
    F.leaky_relu: nn.LeakyReLU,
    F.elu: nn.ELU,
    F.silu: nn.SiLU,
    F.hardswish: nn.Hardswish,
    F.gelu: nn.GELU,
    F.dropout: _dropout,
    F.max_pool2d: lambda *window, **options: nn.MaxPool2d(*window[:4], **options) if len(window) < 5 else None,
    F.avg_pool2d: nn.AvgPool2d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    torch.flatten: _flatten,
    torch.mean: _mean,
    "relu": nn.ReLU,
    "flatten": _flatten,
    "mean": _mean,
}
"""Function, or the name of a method -> what makes the layer of its arguments behind the first one."""


def layer_of(node: fx.Node) -> nn.Module | None:
    """The layer that computes what the node calls; None if there is none, or if an option is no constant."""
    make = _LAYERS.get(node.target) if node.op in ("call_function", "call_method") else None
    if make is None or not node.args or len(node.all_input_nodes) != 1:
        return None
    _, *options = node.args
    try:
        return make(*options, **node.kwargs)
    except (TypeError, ValueError):  # options that the layer does not have; the call says so when it is made
        return None


def constant_of(
    node: fx.Node, size: tuple[int, ...] | None, constant: int | tuple[int, ...] | None
) -> int | tuple[int, ...] | None:
    """What `x.size()`, `x.size(0)`, `x.shape` or an element of these is; None for another node.

    size: of the tensor that is the node's first argument, or constant: its first argument itself; as far as known.
    """
    options: list[Any] = list(node.args[1:])
    if size and (node.op, node.target) == ("call_method", "size") and not node.kwargs:
        return size[options[0]] if options else size
    if size and node.target is getattr and options == ["shape"]:
        return size
    if isinstance(constant, tuple) and node.target is operator.getitem and isinstance(options[0], int):
        return constant[options[0]]
    return None


def target_shape(node: fx.Node, constants: Mapping[fx.Node, Any]) -> tuple[Any, ...] | None:
    """The shape that `x.view` or `x.reshape` asks for, -1 included; None for another node."""
    is_method = node.op == "call_method" and node.target in ("view", "reshape")
    if not (is_method or node.target is torch.reshape) or node.kwargs:
        return None
    shape = [constants.get(part, part) if isinstance(part, fx.Node) else part for part in node.args[1:]]
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], list | tuple) else tuple(shape)

"""The summary of a network: torchsummary's table, with MACs and receptive fields."""

import io
import re
import warnings
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torchsummary
from torch import nn

from normbench.models.count import count_norms, count_parameters
from normbench.models.trace import count_macs, trace

__all__ = ["Layer", "Summary", "count_macs", "count_norms", "count_parameters", "summarize"]

_ROW = re.compile(r"\s*(\S+-\d+)\s+\[-1, ([\d, ]+)\]\s+[\d,]+")  # GroupNorm-2   [-1, 16, 32, 32]   32


@dataclass(frozen=True)
class Layer:
    """A row of the layer table: its name there, or its path in the network; kind is its class.

    output_shape is for one image; the other fields are those of `trace.LayerTrace`.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int
    macs: int
    receptive_field: int | None
    jump: int | None


@dataclass(frozen=True)
class Summary:
    """Counts are numbers of values; macs are multiply-adds of a forward pass, an image."""

    table: str
    """The layer table as torchsummary prints it, and a line about parameters that torchsummary does not count; empty
    where layers are named by their paths."""
    layers: tuple[Layer, ...]
    num_parameters: int
    norm_layers: dict[str, int]
    """Class name -> number of layers."""
    norm_parameters: int
    norm_buffers: int
    macs: int
    max_parameters: int | None

    @property
    def fits_budget(self) -> bool:
        return self.max_parameters is None or self.num_parameters <= self.max_parameters

    @property
    def budget_line(self) -> str:
        if self.max_parameters is None:
            return f"budget: {self.num_parameters:,} parameters, no limit set"
        left = self.max_parameters - self.num_parameters
        verdict = f"within budget, {left:,} left" if left >= 0 else f"OVER BUDGET by {-left:,}"
        return f"budget: {self.num_parameters:,} of {self.max_parameters:,} parameters, {verdict}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: everything but the table's text; a receptive field that is the whole image is "global"."""
        content = asdict(self)
        del content["table"]
        content["layers"] = [
            {**layer, "output_shape": list(layer["output_shape"])}
            | ({"receptive_field": "global"} if layer["receptive_field"] is None else {})
            for layer in content["layers"]
        ]
        return content | {"fits_budget": self.fits_budget}


def summarize(
    model: nn.Module,
    image_shape: tuple[int, int, int],
    max_parameters: int | None = None,
    *,
    by_path: bool = False,
) -> Summary:
    """The summary for float images [B, *image_shape].

    by_path: whether layers are named by their paths in the network, which are found again in a deep one, and not by
    torchsummary, which cannot print every network.

    The model, its buffers and torch's random state are left as they are.
    """
    traces = trace(model, image_shape)
    table = "" if by_path else _layer_table(model, image_shape)
    names = (
        [it.path for it in traces]
        if by_path
        else [match[1] for match in map(_ROW.fullmatch, table.splitlines()) if match]
    )
    layers = tuple(
        Layer(
            name=name,
            kind=traced.kind,
            output_shape=traced.output_shape,
            num_parameters=traced.num_parameters,
            macs=traced.macs,
            receptive_field=traced.receptive_field,
            jump=traced.jump,
        )
        for name, traced in zip(names, traces, strict=True)
    )
    return Summary(
        table="" if by_path else table + _unseen(model),
        layers=layers,
        num_parameters=count_parameters(model),
        **count_norms(model),
        macs=sum(layer.macs for layer in layers),
        max_parameters=max_parameters,
    )


def _unseen(model: nn.Module) -> str:
    names = sorted({path.rpartition(".")[2] for path, _ in model.named_parameters()} - {"weight", "bias"})
    if not names:
        return ""
    return (
        "\nThis table counts only parameters called weight or bias. With "
        f"{', '.join(names)} there are\n{count_parameters(model):,} trainable parameters."
    )


def _layer_table(model: nn.Module, image_shape: tuple[int, int, int]) -> str:
    printed = io.StringIO()
    copy = deepcopy(model).cpu().eval()  # torchsummary calls the network with random images
    with warnings.catch_warnings(), redirect_stdout(printed), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # torchsummary converts arrays the old way
        torchsummary.summary(copy, image_shape, device="cpu")
    return printed.getvalue().rstrip("\n")

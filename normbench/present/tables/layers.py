"""The table of a network's layers, by their places in it."""

from normbench.models.summary import Summary
from normbench.present.tables.table import Cell, Table

_POOLS = ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")


def layer_table(summary: Summary, title: str) -> Table:
    """A row for each layer that learns, multiplies or pools, in the order of the forward pass."""
    shown = [it for it in summary.layers if it.macs or it.num_parameters or it.kind.startswith(_POOLS)]
    rows: list[tuple[Cell, ...]] = [
        (
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.output_shape)),
            f"{layer.num_parameters:,}" if layer.num_parameters else "",
            f"{layer.macs:,}" if layer.macs else "",
            "whole image" if layer.receptive_field is None else f"{layer.receptive_field} px",
            "" if layer.jump is None else f"{layer.jump} px",
        )
        for layer in shown
    ]
    columns = ("layer", "class", "output", "parameters", "multiply-adds", "sees", "step")
    return Table(title, columns, tuple(rows), (), num_text_columns=2)

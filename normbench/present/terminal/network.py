"""A network's summary: torchsummary's table, then multiply-adds, receptive fields, norm layers and budget."""

from rich.console import Console

from normbench.models.summary import Summary
from normbench.present.tables.layers import layer_table
from normbench.present.tables.render import render
from normbench.present.terminal.run import print_fields


def print_summary(summary: Summary, label: str, console: Console) -> None:
    """Prints the summary; no line of torchsummary's table is wrapped."""
    if not summary.table:
        render(layer_table(summary, f"Layers ({label})"), "table", console)
        _print_counts(summary, label, console)
        return
    console.print(summary.table, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\nWhat each layer costs and sees ({label})\n", markup=False, highlight=False)
    rows = [("layer", "output", "multiply-adds", "receptive field", "step")]
    for layer in summary.layers:
        if layer.macs or layer.name.startswith(("MaxPool", "AdaptiveAvgPool")):
            shape = " x ".join(map(str, layer.output_shape))
            field = "whole image" if layer.receptive_field is None else f"{layer.receptive_field} px"
            step = "" if layer.jump is None else f"{layer.jump} px"
            rows.append((layer.name, shape, f"{layer.macs:,}" if layer.macs else "", field, step))
    for row in rows:
        console.print("{:<20} {:<13} {:>13} {:>16} {:>6}".format(*row).rstrip(), markup=False, highlight=False)
    _print_counts(summary, label, console)


def _print_counts(summary: Summary, label: str, console: Console) -> None:
    layers = ", ".join(f"{count} {name}" for name, count in summary.norm_layers.items()) or "none"
    console.print()
    print_fields(
        {
            "norm": f"{label}: {layers}",
            "learned": f"{summary.norm_parameters:,} of the {summary.num_parameters:,} parameters are its own",
            "stored": f"{summary.norm_buffers:,} values in its buffers (running statistics), not learned",
            "cost": f"{summary.macs:,} multiply-adds an image, forward",
            "budget": summary.budget_line.removeprefix("budget: "),
        },
        console,
    )

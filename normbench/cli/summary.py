"""`normbench summary`: the network with a norm."""

import json
from typing import Annotated

import typer

from normbench.cli.options import (
    Config,
    Data,
    DataDir,
    Groups,
    Model,
    NoPlugins,
    Norm,
    Set,
    norm_overrides,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Format, console, loading, say

EXAMPLE = "Example: [bold]normbench summary --norm gn --groups 8[/bold]"


def summary(
    norm: Norm = None,
    config: Config = "default",
    groups: Groups = None,
    model: Model = None,
    data: Data = None,
    data_dir: DataDir = None,
    set_: Set = None,
    no_plugins: NoPlugins = False,
    format_: Annotated[Format, typer.Option("--format", "-f", help="table or json.")] = Format.table,
) -> None:
    """The network with a norm: layers, parameters, multiply-adds, receptive field, budget.

    It is that for CIFAR-10, which need not be there; for images of your own name them.
    """
    from normbench.config import load_config
    from normbench.norms import norm_label
    from normbench.runs.registries import registries
    from normbench.runs.validate import check_parts

    overrides = [
        *set_overrides(set_),
        *norm_overrides(norm, groups),
        *recipe_overrides(model, None, None, None, data, data_dir),
    ]
    with loading():
        known, check = registries(plugins=not no_plugins), check_parts(within_budget=False)
        resolved = load_config(config, known, overrides, check)
        from normbench.models.outside.notes import exchanged_layers, warnings_about
        from normbench.models.registry import MODELS
        from normbench.models.summary import summarize
        from normbench.present.tables.exchange import exchange_table
        from normbench.present.tables.render import render
        from normbench.present.terminal.network import print_summary
        from normbench.runs.build import build_network
        from normbench.runs.task import find_task

        task = find_task(resolved.data)
        network = build_network(resolved, task)
    exchanged = exchanged_layers(network)
    found = summarize(
        network, task.image_shape, resolved.budget.max_parameters, by_path=resolved.model.name not in MODELS
    )
    label = norm_label(resolved.norm.name, resolved.norm.options)
    warnings = warnings_about(network)
    if format_ is Format.json:
        content = {"label": label} | found.as_dict()
        if exchanged:
            content["exchanged"] = list(exchange_table(exchanged, "").records)
        print(json.dumps(content | ({"warnings": list(warnings)} if warnings else {}), indent=2))
        return
    print_summary(found, label, console())
    if exchanged:
        console().print()
        render(exchange_table(exchanged, "Norm layers exchanged"), "table", console())
    for warning in warnings:
        say(f"warning: {warning}")

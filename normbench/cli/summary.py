"""`normbench summary`: the network with a norm."""

import json
from typing import Annotated

import typer

from normbench.cli.options import Config, Groups, NoPlugins, Norm, Set, norm_overrides, set_overrides
from normbench.cli.output import Format, console, loading

EXAMPLE = "Example: [bold]normbench summary --norm gn --groups 8[/bold]"


def summary(
    norm: Norm = None,
    config: Config = "default",
    groups: Groups = None,
    set_: Set = None,
    no_plugins: NoPlugins = False,
    format_: Annotated[Format, typer.Option("--format", "-f", help="table or json.")] = Format.table,
) -> None:
    """The network with a norm: layers, parameters, multiply-adds, receptive field, budget. Needs no data."""
    from normbench.config import load_config
    from normbench.norms import norm_label
    from normbench.runs.registries import registries
    from normbench.runs.validate import check_parts

    overrides = [*set_overrides(set_), *norm_overrides(norm, groups)]
    with loading():
        known, check = registries(plugins=not no_plugins), check_parts(within_budget=False)
        resolved = load_config(config, known, overrides, check)
        from normbench.models.summary import summarize
        from normbench.models.task import CIFAR10
        from normbench.present.terminal.network import print_summary
        from normbench.runs.build import build_network

    found = summarize(build_network(resolved, CIFAR10), CIFAR10.image_shape, resolved.budget.max_parameters)
    label = norm_label(resolved.norm.name, resolved.norm.options)
    if format_ is Format.json:
        print(json.dumps({"label": label} | found.as_dict(), indent=2))
    else:
        print_summary(found, label, console())

"""`normbench config`: a config with everything filled in, and whether one is right."""

from typing import Annotated

import typer

from normbench.cli.commands import Command, Commands
from normbench.cli.completion import complete_config
from normbench.cli.options import NoPlugins, Set, set_overrides
from normbench.cli.output import Format

app = typer.Typer(cls=Commands, help="Configs: show one whole, or check one.", no_args_is_help=True)

Source = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG", help="A YAML file, or the name of a shipped config.", autocompletion=complete_config
    ),
]


@app.command(cls=Command, epilog="Example: [bold]normbench config show reference --set norm=gn[/bold]")
def show(
    config: Source = "default",
    set_: Set = None,
    no_plugins: NoPlugins = False,
    format_: Annotated[Format, typer.Option("--format", "-f", help="table for YAML, or json.")] = Format.table,
) -> None:
    """A config with all defaults filled in, as a run keeps it."""
    import json

    import yaml

    from normbench.config import load_config
    from normbench.runs.registries import registries

    found = load_config(config, registries(plugins=not no_plugins), set_overrides(set_)).to_dict()
    if format_ is Format.json:
        print(json.dumps(found, indent=2))
    else:
        print(yaml.safe_dump(found, sort_keys=False, allow_unicode=True), end="")


@app.command(cls=Command, epilog="Example: [bold]normbench config check my-sweep.yaml[/bold]")
def check(config: Source, set_: Set = None, no_plugins: NoPlugins = False) -> None:
    """Whether a config can be trained: names, values, the network and its budget. Reads no data, trains nothing."""
    from normbench.cli.output import loading

    with loading():
        from normbench.config import load_experiment
        from normbench.runs.registries import registries
        from normbench.runs.validate import check_parts
        from normbench.text import plural

        known = registries(plugins=not no_plugins)
        found = load_experiment(config, known, set_overrides(set_), check_parts(within_budget=True))
    axes = [f"{key}: {plural(len(values), 'value')}" for key, values in found.axes.items()]
    left_out = [f"{found.num_excluded:,} excluded"] if found.num_excluded else []
    tuned = ["a tuning"] if found.tune else []
    print(f"{config}: is right; {found.name}: {', '.join([plural(len(found.runs), 'run'), *axes, *left_out, *tuned])}")

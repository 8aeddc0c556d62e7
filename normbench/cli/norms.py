"""`normbench norms`: every norm there is."""

from typing import Annotated

import typer

from normbench.cli.options import NoPlugins
from normbench.cli.output import Quiet, TableFormat, console, say

EXAMPLE = "Example: [bold]normbench norms --time[/bold]"


def norms(
    time_: Annotated[
        bool, typer.Option("--time", "-t", help="Also measure a training step of each on this machine, against bn.")
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Steps of each norm that --time takes.")] = 10,
    device: Annotated[str, typer.Option("--device", help="Where --time measures: auto, cpu or cuda.")] = "auto",
    no_plugins: NoPlugins = False,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    quiet: Quiet = False,
) -> None:
    """Every norm there is: what it does, what it learns and stores, and what it costs. Needs no data."""
    from normbench.bench.step_times import relative_step_times
    from normbench.config import Config as Defaults
    from normbench.models.norm_cards import norm_cards
    from normbench.norms import NORM_REGISTRY, NORM_REGISTRY_NO_PLUGINS
    from normbench.present.tables.norm_cards import norm_table
    from normbench.present.tables.render import render

    cards, notes = norm_cards(
        Defaults().budget.max_parameters, NORM_REGISTRY_NO_PLUGINS if no_plugins else NORM_REGISTRY
    )
    times = None
    if time_:
        if not quiet:
            say(f"timing {len(cards)} norms, {rounds} steps each in turn")
        times = relative_step_times([card.kind for card in cards], rounds, device)
    render(norm_table(cards, times), format_, console())
    if not quiet:
        for note in notes:
            say(f"note: {note}")

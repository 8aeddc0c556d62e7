"""`normbench norms`: every norm there is, or all about one."""

import dataclasses
import json
from typing import Annotated

import typer

from normbench.cli.completion import complete_norm
from normbench.cli.limits import MOST_STEPS
from normbench.cli.options import Device, NoPlugins
from normbench.cli.output import Quiet, TableFormat, console, loading, say
from normbench.cli.unused import refuse_without
from normbench.errors import ConfigError

EXAMPLE = "Example: [bold]normbench norms gn[/bold]"


def norms(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NORM",
            help="Only these, each with formula, options and paper.",
            show_default="all, one line each",
            autocompletion=complete_norm,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also what each learns and stores, its parameters and the budget.")
    ] = False,
    time_: Annotated[
        bool, typer.Option("--time", "-t", help="Also measure a training step of each on this machine, against bn.")
    ] = False,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, max=MOST_STEPS, help="Steps of each norm that --time takes.")
    ] = 10,
    device: Device = "auto",
    no_plugins: NoPlugins = False,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    quiet: Quiet = False,
) -> None:
    """Every norm there is, or all about one: formula, options, paper, parameters, cost. Needs no data."""
    if not time_:
        refuse_without("--time", context, ["rounds", "device"])
    if names:
        if full or time_:
            raise ConfigError(f"{'--full' if full else '--time'} is about all norms: leave out {' '.join(names)}")
        _show_each(names, format_, plugins=not no_plugins)
    elif full or time_ or format_ in (TableFormat.json, TableFormat.csv):
        _show_all(rounds if time_ else 0, device, format_, plugins=not no_plugins, quiet=quiet)
    else:
        _show_list(format_, plugins=not no_plugins, quiet=quiet)


def _show_each(names: list[str], format_: TableFormat, *, plugins: bool) -> None:
    from normbench.norms import norm_label, norm_registry
    from normbench.norms.description import describe
    from normbench.present.terminal.norm_card import print_norm

    registry = norm_registry(plugins=plugins)
    if format_ not in (TableFormat.table, TableFormat.json):
        raise ConfigError(f"--format {format_.value} is for tables; what is said of one norm is text or json")
    found = []
    for name in names:
        kind, _ = registry.named(name)
        found.append(describe(kind, registry[kind]))
    if format_ is TableFormat.json:
        print(json.dumps([dataclasses.asdict(norm) for norm in found], indent=2, ensure_ascii=False))
        return
    out = console()
    for number, norm in enumerate(found):
        if number:
            out.print()
        print_norm(norm, norm_label(norm.kind, {}), out)


def _show_list(format_: TableFormat, *, plugins: bool, quiet: bool) -> None:
    from normbench.norms import norm_registry
    from normbench.norms.description import describe
    from normbench.present.tables.norm_list import norm_list
    from normbench.present.tables.render import render

    registry = norm_registry(plugins=plugins)
    found, notes = [], []
    for kind in registry:
        try:
            found.append(describe(kind, registry[kind]))
        except ConfigError as error:
            notes.append(str(error))
    render(norm_list(found), format_, console())
    _say_all(notes, quiet=quiet)


def _show_all(rounds: int, device: str, format_: TableFormat, *, plugins: bool, quiet: bool) -> None:
    """The full table; with `rounds` above 0 also with times."""
    with loading(quiet=quiet):
        from normbench.bench.step_times import relative_step_times, time_notes
        from normbench.config import Config as Defaults
        from normbench.models.norm_cards import norm_cards
        from normbench.norms import norm_registry
        from normbench.present.tables.norm_cards import norm_table
        from normbench.present.tables.render import render

    cards, notes = norm_cards(Defaults().budget.max_parameters, norm_registry(plugins=plugins))
    times = None
    if rounds:
        if not quiet:
            say(f"timing {len(cards)} norms, {rounds} steps each in turn")
        times = relative_step_times([card.kind for card in cards], rounds, device)
        notes += time_notes(times)
    render(norm_table(cards, times), format_, console())
    _say_all(notes, quiet=quiet)


def _say_all(notes: list[str], *, quiet: bool) -> None:
    if not quiet:
        for note in notes:
            say(f"note: {note}")

"""Options that would change nothing are refused: nobody should believe that they did."""

from collections.abc import Collection

import typer

from normbench.errors import ConfigError


def given(context: typer.Context) -> dict[str, str]:
    """The options that the command line has, such as `--max-seeds`, by the name of their parameter."""
    options = {option.name or "": option.opts[0] for option in context.command.params}
    sources = {name: context.get_parameter_source(name) for name in options}
    return {name: options[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def refuse_without(needed: str, context: typer.Context, names: Collection[str]) -> None:
    """Raises ConfigError if one of these options was given; they are about `needed`, which was not."""
    for name, option in given(context).items():
        if name in names:
            raise ConfigError(f"{option} is for {needed} only: add that, or leave out {option}")


def refuse_beside(chosen: str, context: typer.Context, names: Collection[str]) -> None:
    """Raises ConfigError if one of these options was given beside `chosen`, which makes nothing of them."""
    for name, option in given(context).items():
        if name in names:
            raise ConfigError(f"{chosen} takes no {option}: leave one of them out")

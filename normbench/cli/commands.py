"""How the command line looks: commands whose help shows flags as flags, and the answer to a name that is no command."""

import ast
import inspect
import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from normbench.errors import ConfigError
from normbench.text import nearest, shortened, unknown_name


class Command(TyperCommand):
    """A command. Its help shows `--quiet` and `--shape TEXT`, not typer's `--quiet <bool>` and `--shape <str>`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.help is None and self.callback is not None:
            self.help = _docstring(inspect.unwrap(self.callback))

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_plain_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, self._with_values(ctx, args))
        except typer.BadParameter as error:
            error.message = _with_nearest(error.message)
            raise

    def _with_values(self, ctx: Any, args: list[str]) -> list[str]:
        """The words, with an empty value for an option that stands alone and whose value may be left out.

        Such an option has a metavar in brackets.
        """
        may_stand_alone = {
            name for param in self.get_params(ctx) for name in param.opts if "[" in (param.metavar or "")
        }
        return [
            f"{word}=" if word in may_stand_alone and (not after or after.startswith("-")) else word
            for word, after in zip_longest(args, args[1:])
        ]


class Commands(TyperGroup):
    """Several commands, likewise. A name that is none of them may be meant as a config, which `sweep` takes."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_plain_types(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from normbench.config import shipped_configs

            commands = self.list_commands(ctx)
            full = {command: command for command in commands}
            if "sweep" in full:
                full |= {config: f"sweep {config}" for config in shipped_configs()}
            near = nearest(name, full)
            hint = f"did you mean '{ctx.command_path} {full[near]}'? " if near else ""
            raise ConfigError(f"unknown command {shortened(repr(name))}: {hint}known: {', '.join(commands)}")
        return super().resolve_command(ctx, args)


def _docstring(function: Callable[..., Any]) -> str | None:
    """The docstring in the source of a function: with PYTHONOPTIMIZE=2 Python leaves it out."""
    definition = ast.parse(inspect.getsource(function)).body[0]
    return ast.get_docstring(definition) if isinstance(definition, ast.FunctionDef) else None


def _with_nearest(message: str) -> str:
    """typer's `'xml' is not one of 'md', 'csv'.` in the words of all messages about names."""
    found = re.fullmatch(r"(?:Value error, )?'(.*?)' is not one of (.*?)\.?", message)
    return unknown_name("value", found[1], re.findall(r"'(.*?)'", found[2])) if found else message


_TYPES = {"str": "TEXT", "int": "INT", "int range": "INT", "float": "NUMBER", "path": "PATH"}


def _with_plain_types(params: list[Any]) -> list[Any]:
    for param in params:
        if isinstance(default := getattr(param, "show_default", None), str):  # typer puts brackets around words
            param._get_default_string = lambda default=default, **_: default
        if getattr(param, "is_bool_flag", False) and param.default is None and not param.secondary_opts:
            param.default = False  # such as typer's --help: to convert None into None it would import pydantic
        if param.param_type_name == "option" and hasattr(param, "display_type_rich"):  # older typers show no <bool>
            shown = None if param.is_bool_flag else param.metavar or _plain(param.display_type_rich(None))
            param.display_type_rich = lambda ctx, shown=shown: shown
    return params


def _plain(label: str) -> str:
    """`<list[str]>` as TEXT; choices stay as they are."""
    inner = label.strip("<>").removeprefix("list[").removesuffix("]")
    return _TYPES.get(inner, inner)

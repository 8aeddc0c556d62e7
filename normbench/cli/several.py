"""Flags that ask for several runs: norms, seeds, and the values of other keys."""

import inspect
import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from normbench.cli.completion import complete_norm
from normbench.cli.options import Override
from normbench.errors import ConfigError
from normbench.text import shortened

Norms = Annotated[
    list[str] | None,
    typer.Option(
        "--norm",
        "-n",
        help="A name that `normbench norms` lists, module:Name or file.py:Name. Several: -n bn -n gn, or -n bn,gn.",
        autocompletion=complete_norm,
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", help="Of the experiment, and of its folder.", show_default="the config's")
]

_COMMA = re.compile(r",(?![^(]*\))")
"""A comma that is not inside the brackets of a label, such as GN(4, eps=0.1)."""


def each_once(texts: Sequence[str] | None) -> list[str]:
    """The values of a flag that may be repeated, and may have several values with commas between them."""
    values = [value.strip() for text in texts or [] for value in _COMMA.split(text)]
    return list(dict.fromkeys(filter(None, values)))


def whole_numbers(texts: Sequence[str] | None, flag: str) -> list[int]:
    """As `each_once`. Raises ConfigError for text that is no whole number."""
    values = each_once(texts)
    for value in values:
        if not re.fullmatch(r"[+-]?[0-9]{1,30}", value):
            raise ConfigError(f"{flag} {shortened(value)}: give whole numbers, such as {flag} 0, or {flag} 0,1,2")
    return list(dict.fromkeys(map(int, values)))


def norms_override(norms: Sequence[str], groups: int | None) -> list[Override]:
    """Several norms as the axis of a sweep; `groups` are those of the norms among them that have groups."""
    if not norms:
        return []
    values: list[Any] = list(norms) if groups is None else [_with_groups(norm, groups) for norm in norms]
    if groups is not None and values == list(norms):
        raise ConfigError(f"--groups {groups}: none of the norms {', '.join(norms)} has groups")
    return [("sweep.norm", values, _flags("--norm", norms))]


def seeds_override(seeds: Sequence[int], flag: str) -> list[Override]:
    return [("seeds", list(seeds), _flags(flag, seeds))] if seeds else []


def by_overrides(assignments: Sequence[str] | None) -> list[Override]:
    """`--by key=value,value` as the axes of a sweep. Raises ConfigError for text without a key or values."""
    values: dict[str, list[str]] = {}
    for text in assignments or []:
        key, _, listed = text.partition("=")
        if not key.strip() or not listed.strip():
            example = "--by train.batch_size=8,32"
            raise ConfigError(f"--by {shortened(text)}: give a key and its values, such as {example}")
        if key.strip() == "norm":
            raise ConfigError(f"--by {shortened(text)}: norms are named by --norm, such as --norm bn --norm gn")
        values.setdefault(key.strip(), []).append(listed.strip())
    return [
        (f"sweep.{key}", _as_yaml(texts), _flags("--by", [f"{key}={text}" for text in texts]))
        for key, texts in values.items()
    ]


def default_name(by: Sequence[Override]) -> str:
    """The name of an experiment without a config: `sweep`, or `sweep-batch_size` along train.batch_size.

    It has neither norms nor seeds in it, so that more of them are added to the runs that are there.
    """
    keys = [key.rpartition(".")[2] for key, _, _ in by]
    return "-".join(["sweep", *(key for key in keys if re.fullmatch(r"\w+", key, re.ASCII))])[:64]


def _as_yaml(texts: Sequence[str]) -> str:
    """The values as a YAML list; a list or a range that is written out is taken as it is."""
    if len(texts) == 1 and texts[0][0] in "[{":
        return texts[0]
    return f"[{', '.join(texts)}]"


def _with_groups(norm: str, groups: int) -> Any:
    """The norm with its number of groups, or its name if it has no groups."""
    from normbench.norms import NORMS, resolve_norm

    kind, options = resolve_norm(norm) or (norm, {})
    has_groups = kind in NORMS and "num_groups" in inspect.signature(NORMS[kind]).parameters
    return {"kind": kind, **options, "num_groups": groups} if has_groups else norm


def _flags(flag: str, values: Sequence[object]) -> str:
    return shortened(" ".join(f"{flag} {value}" for value in values))

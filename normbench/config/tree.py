"""A config as plain values that know where they were written, so that a message can name the file and line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from normbench.text import shortened

KeyPath = tuple[str | int, ...]
"""The keys and list indices that lead to a value, such as ("data", "augment", 1, "p")."""


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file and its line (from 1), or the command-line flag that gave it."""

    origin: str
    line: int | None = None

    def __str__(self) -> str:
        return self.origin if self.line is None else f"{self.origin}, line {self.line}"


@dataclass(frozen=True)
class Located:
    """A mapping or list of located values, or a scalar (None, bool, int, float, str), and its place."""

    value: Any
    place: Place

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    @property
    def size(self) -> int:
        """The number of values in it, itself included."""
        inner = self.value.values() if isinstance(self.value, dict) else self.value
        return 1 + sum(item.size for item in inner) if isinstance(self.value, dict | list) else 1

    def find(self, path: KeyPath) -> "Located":
        """The value at `path`, or the innermost one on the way to it that exists."""
        node = self
        for key in path:
            exists = key in node.value if isinstance(node.value, dict) else _has_index(node.value, key)
            if not exists:
                break
            node = node.value[key]
        return node


class Exponent(float):
    """A number written with an exponent, such as `1e5`, which keeps its text.

    PyYAML's dumper writes the text "1e5" without quotes. Where a config holds text (an experiment's name), reading it
    back must give the text again, not 100000.0.
    """

    text: str


def located(value: Any, place: Place) -> Located:
    """Plain Python data as if it had been written at `place`."""
    if isinstance(value, Mapping):
        return Located({key: located(item, place) for key, item in value.items()}, place)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Located([located(item, place) for item in value], place)
    return Located(str(value) if isinstance(value, PurePath) else value, place)


def dotted(path: KeyPath) -> str:
    """`data.augment[1].p`; a key that is not a plain name is quoted."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{_quoted(key)}" for key in path).removeprefix(".")


def _quoted(key: str) -> str:
    return shortened(key if re.fullmatch(r"[\w-]+", key) else repr(key))


def _has_index(value: Any, key: str | int) -> bool:
    return isinstance(value, list) and isinstance(key, int) and key < len(value)

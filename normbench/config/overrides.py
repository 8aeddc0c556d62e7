"""The command line's `--set key=value` and short flags as a tree of located values."""

from collections.abc import Mapping, Sequence
from typing import Any

from normbench.config.files import merge
from normbench.config.problems import Problems
from normbench.config.schema import CHOICES, EXPERIMENT_KEYS, LABELS
from normbench.config.tree import KeyPath, Located, Place, located
from normbench.config.yaml import parse_yaml
from normbench.errors import ConfigError

Override = tuple[str, Any, str]
"""(dotted key, value, the flag that gave it, for messages). Text is read as YAML, except for keys that hold text."""

ALIASES: Mapping[str, str] = {f"train.{key}": f"train.optimizer.{key}" for key in ("lr", "momentum", "weight_decay")}
"""Short forms of the keys that users change most; in a file the whole key is written."""

# The values of these keys are taken as typed: a folder may be called `2024`, `no` or `[a]`.
_TEXT_KEYS = {
    ("name",),
    ("data", "source"),
    ("data", "dir"),
    ("data", "also_test"),
    *((*path, label) for path in CHOICES for label in LABELS),
}
_NULL = {"", "~", "null"}


def key_path(key: str) -> KeyPath:
    """The path of a dotted key in a config: `train.lr` and `norm.kind` stand for train.optimizer.lr and norm."""
    path: KeyPath = tuple(ALIASES.get(key, key).split("."))
    return path[:-1] if path[:-1] in CHOICES and path[-1] in LABELS else path


def override_tree(overrides: Sequence[Override], problems: Problems) -> Located:
    """All overrides as one mapping; of two with the same key the later counts."""
    tree = Located({}, Place("the command line"))
    for key, value, origin in overrides:
        full_key = ALIASES.get(key, key)
        section, dot, rest = full_key.partition(".")
        path = (section, rest) if dot and section in EXPERIMENT_KEYS else tuple(full_key.split("."))
        place = Place(origin)
        try:
            node = _read(path, value, place, problems)
        except ConfigError as error:
            text = str(error).removeprefix(f"{origin}: ")
            problems.add(place, path, f"{text} (text with special signs needs quotes)")
            continue
        if node is not None:
            for part in reversed(path):
                node = Located({part: node}, place)
            tree = merge(tree, node, drop_options=False)
    return tree


def _read(path: KeyPath, value: Any, place: Place, problems: Problems) -> Located | None:
    """The value as a located one; None after adding what is wrong to `problems`."""
    if not isinstance(value, str):
        return located(value, place)
    is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    if path in _TEXT_KEYS and not is_quoted:
        return Located(None if value in _NULL else value, place)
    here = problems.scope()
    node = parse_yaml(value, place.origin, here, at=path, has_lines=False)
    if node is None and here.ok:
        return Located(None, place)
    return node

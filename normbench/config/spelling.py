"""The names of choices in their registry's spelling: `BatchNorm` is read as `bn`, `GN(4)` as gn with four groups."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from normbench.config.overrides import key_path
from normbench.config.schema import AUGMENT, CHOICES, LABELS, SOURCE, Registry
from normbench.config.tree import KeyPath, Located, dotted, located
from normbench.text import bare

Registries = Mapping[str, Registry]


@runtime_checkable
class HasAliases(Protocol):
    """A registry in which a choice has more names than those it lists."""

    def resolve(self, name: str, beside: Path | None) -> tuple[str, Mapping[str, Any]] | None:
        """The listed name, and the options, that another name stands for; None if it stands for nothing.

        `beside` is the folder of the file that has the name; None on the command line.
        """


def spelled(layer: Located, registries: Registries) -> Located:
    """A layer of a config with the listed names of all choices, also of those below `sweep`, `tune` and `exclude`.

    This comes before layers are merged: a choice that gets another name loses its options, `GN` over `gn` does not.
    """
    found = {}
    for key, node in layer.value.items():
        if key in ("sweep", "tune") and isinstance(node.value, dict):
            columns = {names: _column(names, values, registries) for names, values in node.value.items()}
            found[key] = Located(columns, node.place)
        elif key == "exclude" and isinstance(node.value, list):
            found[key] = Located([_entry(entry, registries) for entry in node.value], node.place)
        else:
            found[key] = _at((key,), node, registries)
    return Located(found, layer.place)


def _column(names: str, values: Located, registries: Registries) -> Located:
    """The values of a swept key, or the rows of several keys that vary together."""
    if not isinstance(values.value, list):
        return values
    paths = [key_path(name.strip()) for name in names.split(",")]
    rows = []
    for row in values.value:
        if len(paths) == 1:
            rows.append(_at(paths[0], row, registries))
        elif isinstance(row.value, list) and len(row.value) == len(paths):
            cells = [_at(path, cell, registries) for path, cell in zip(paths, row.value, strict=True)]
            rows.append(Located(cells, row.place))
        else:
            rows.append(row)
    return Located(rows, values.place)


def _entry(entry: Located, registries: Registries) -> Located:
    """An entry of `exclude`."""
    if not isinstance(entry.value, dict):
        return entry
    return Located({key: _at(key_path(key), node, registries) for key, node in entry.value.items()}, entry.place)


def _at(path: KeyPath, node: Located, registries: Registries) -> Located:
    """The value of the key `path`."""
    if path in CHOICES or path == SOURCE:
        return _choice(node, CHOICES.get(path, ""), registries[dotted(path)])
    if path == AUGMENT and isinstance(node.value, list):
        return Located([_choice(item, "name", registries[dotted(path)]) for item in node.value], node.place)
    if isinstance(node.value, dict):
        return Located({key: _at((*path, key), inner, registries) for key, inner in node.value.items()}, node.place)
    return node


def _choice(node: Located, label: str, registry: Registry) -> Located:
    """A name, or a mapping with options and a name at the key `label`, or at the other one of LABELS."""
    if isinstance(node.value, dict) and label in LABELS and label not in node.value:
        node = Located({label if key in LABELS else key: value for key, value in node.value.items()}, node.place)
    given = node.value if isinstance(node.value, dict) else {label: node}
    name = given.get(label)
    meant = _resolved(name, registry) if name and isinstance(name.value, str) else None
    if meant is None:
        return node
    own, options = meant
    chosen = Located(own, given[label].place)
    if not isinstance(node.value, dict) and not options:
        return chosen
    return Located({**located(options, chosen.place).value, **given, label: chosen}, node.place)


def _resolved(name: Located, registry: Registry) -> tuple[str, Mapping[str, Any]] | None:
    if isinstance(registry, HasAliases):
        is_in_file = name.place.line is not None
        return registry.resolve(name.value, Path(name.place.origin).parent if is_in_file else None)
    if name.value in registry:
        return None
    return next(((own, {}) for own in registry if bare(own) == bare(name.value)), None)

"""Which runs are meant: records by dotted key, as in `train.batch_size=64`."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from normbench.errors import ConfigError
from normbench.text import unknown_name

Record = Mapping[str, Any]
_RECORD_KEYS = ("experiment", "seed", "label", "status", "device", "precision", "git_commit")
_PREFIX_KEYS = ("data.fingerprint", "git_commit")  # shown shortened, so the short form must be understood
_SHORTCUT = ("train.", "train.optimizer.")  # train.lr, as in --set
MOST_NAMED = 5  # of one kind; a thousand half-made folders should not bury the table


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings -> {dotted key: value}; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def facts(record: Record) -> dict[str, Any]:
    """All that a run can be selected by: the config's dotted keys, what is known of the data, and the environment."""
    about = {key: record[key] for key in _RECORD_KEYS if key in record}
    data = {key: value for key, value in record["data"].items() if key != "classes"}
    return (
        flatten(record["config"])
        | flatten({"data": data})
        | flatten({"environment": record["environment"]})
        | about  # last: `experiment` is where the run lies, whatever its config says
    )


def select(records: Sequence[Record], where: Sequence[str]) -> list[Record]:
    """The records that fit each `key=value`; several values for one key are alternatives.

    Raises ConfigError for text without `=`, an unknown key, or a value that no run has, naming what there is.
    """
    if not where:
        return list(records)
    known = [facts(record) for record in records]
    chosen = list(range(len(records)))
    for key, wanted in _conditions(where, known).items():
        fitting = [i for i in chosen if key in known[i] and any(_fits(known[i][key], text, key) for text in wanted)]
        if not fitting:
            found = counted(show_value(known[i][key], key) for i in chosen if key in known[i])
            raise ConfigError(f"no run has {key}={' or '.join(wanted)}; found: {found or 'no run with this key'}")
        chosen = fitting
    return [records[i] for i in chosen]


def _conditions(where: Sequence[str], known: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    conditions: dict[str, list[str]] = {}
    keys = {key: None for flat in known for key in flat}
    for text in where:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--where {text}: expected key=value, e.g. train.batch_size=64")
        key = full_key(name.strip(), keys)
        if keys and key not in keys:
            raise ConfigError(f"--where {text}: {unknown_name('key', key, sorted(keys))}")
        conditions.setdefault(key, []).append(value.strip())
    return conditions


def full_key(name: str, known: Collection[str]) -> str:
    """`train.lr` -> `train.optimizer.lr`, as in --set; any other name as it is."""
    longer = name.replace(*_SHORTCUT, 1)
    return longer if name not in known and longer in known else name


def _fits(value: Any, text: str, key: str) -> bool:
    if key in _PREFIX_KEYS and isinstance(value, str):
        return len(text) >= 4 and (value.startswith(text) or text == show_value(value, key))
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text.replace("_", "")) == value
        except ValueError:
            return False
    return text in (show_value(value, key), str(value), json.dumps(value))


def show_value(value: Any, key: str = "") -> str:
    """A config value as one writes it in YAML, hashes by their first eight digits."""
    if isinstance(value, str) and key in _PREFIX_KEYS:
        digits, dash, rest = value.partition("-")  # a commit may end in -dirty
        return f"{digits[:8]}{dash}{rest}"
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(show_value(inner) for inner in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {show_value(inner)}' for name, inner in value.items())}}}"
    return json.dumps(value)


def counted(values: Iterable[str]) -> str:
    """`64 (6 runs), 128 (1 run)`: the most frequent first."""
    return ", ".join(f"{value} ({runs(count)})" for value, count in Counter(values).most_common())


def runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def named(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")

"""What is known of a run by dotted key, as in `train.batch_size`, and how the values are written."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from normbench.config.schema import OFF
from normbench.runs.record import Record
from normbench.text import plural

_OF_THE_RUN = ("experiment", "seed", "label", "status", "device", "precision", "engine", "git_commit")
DIGESTS = ("data.fingerprint", "git_commit")
"""Keys whose values are shown by their first eight digits, and may be given so."""


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
    """The dotted keys that can select a run, with its values: of the config, the data, the environment and the run."""
    return (
        dict(OFF)
        | flatten(record.config)
        | flatten({"data": record.data.model_dump(exclude={"classes"})})
        | flatten({"environment": record.environment})
        | {key: getattr(record, key) for key in _OF_THE_RUN}  # last: a config may have another `experiment`
    )


def show_value(value: Any, key: str = "") -> str:
    """A value as YAML writes it; a digest by its first eight digits."""
    if isinstance(value, str) and key in DIGESTS:
        digits, dash, rest = value.partition("-")  # a commit may end in -dirty
        return f"{digits[:8]}{dash}{rest}"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(show_value(inner) for inner in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {show_value(inner)}' for name, inner in value.items())}}}"
    return json.dumps(value)


def counted(values: Iterable[str]) -> str:
    """`64 (6 runs), 128 (1 run)`: the most frequent first."""
    return ", ".join(f"{value} ({plural(count, 'run')})" for value, count in Counter(values).most_common())

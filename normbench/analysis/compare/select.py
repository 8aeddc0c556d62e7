"""`--where`: the runs whose values at dotted keys are those asked for."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from normbench.analysis.compare.facts import DIGESTS, counted, facts, show_value
from normbench.analysis.compare.run import Run
from normbench.errors import ConfigError
from normbench.norms import resolve_norm
from normbench.text import unknown_name

_SHORTCUT = ("train.", "train.optimizer.")  # train.lr, as in --set


def select(runs: Sequence[Run], where: Sequence[str]) -> list[Run]:
    """The runs that fit each `key=value`; several values for one key are alternatives.

    Raises ConfigError, with what there is, for text without `=`, an unknown key, or a value that no run has.
    """
    if not where:
        return list(runs)
    return [runs[i] for i in matching([facts(run.record) for run in runs], where)]


def matching(known: Sequence[Mapping[str, Any]], where: Sequence[str]) -> list[int]:
    """The places in `known`, facts by dotted key, that fit each `key=value`. Raises as `select` does."""
    chosen = list(range(len(known)))
    for key, wanted in _conditions(where, known).items():
        fitting = [i for i in chosen if key in known[i] and any(_fits(known[i][key], text, key) for text in wanted)]
        if not fitting:
            found = counted(show_value(known[i][key], key) for i in chosen if key in known[i])
            raise ConfigError(f"no run has {key}={' or '.join(wanted)}; found: {found or 'no run with this key'}")
        chosen = fitting
    return chosen


def full_key(name: str, known: Collection[str]) -> str:
    """`train.lr` -> `train.optimizer.lr`, as in --set; any other name unchanged."""
    longer = name.replace(*_SHORTCUT, 1)
    return longer if name not in known and longer in known else name


def _conditions(where: Sequence[str], known: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    conditions: dict[str, list[str]] = {}
    keys = {key: None for flat in known for key in flat}
    for text in where:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--where {text}: expected key=value, e.g. train.batch_size=64")
        key = full_key(name.strip(), keys)
        if keys and key not in keys:
            raise ConfigError(f"--where {text}: {unknown_name('key', key, sorted(keys))}; a run's run.json has them")
        conditions.setdefault(key, []).append(value.strip())
    return conditions


def _fits(value: Any, text: str, key: str) -> bool:
    if key in DIGESTS and isinstance(value, str):
        return len(text) >= 4 and (value.startswith(text) or text == show_value(value, key))
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text.replace("_", "")) == value
        except ValueError:
            return False
    if key == "norm.kind" and (found := resolve_norm(text)):
        text, _ = found
    return text in (show_value(value, key), str(value), json.dumps(value))

"""The environment of runs: keys with several values are named, with the norms of each value."""

from collections.abc import Iterable, Iterator, Sequence

from normbench.analysis.compare.facts import flatten, show_value
from normbench.analysis.compare.rows import order
from normbench.errors import ConfigError
from normbench.runs.record import Record
from normbench.text import listed, plural

MOST_KEYS = 2
"""Keys of the environment that a table names."""
MOST_LABELS = 3
"""Norms that a table names for one value."""

# Named first: what changes results most.
_TELLING = (
    *("precision", "engine", "device"),
    *(f"environment.{name}" for name in ("gpu", "cpu", "torch", "normbench", "threads")),
)

_COMMIT = "git_commit"  # says the least: what it changed, if anything, is not known

_THEN = " then "  # between the values of a run that was interrupted and resumed elsewhere

Environment = dict[str, dict[str, list[str]]]
"""Dotted key -> value found -> labels of the norms run with it."""


def environment(records: Iterable[Record]) -> Environment:
    """The environment of the records; keys, values and labels are in the order of the records."""
    found: Environment = {}
    for key, text, label in dict.fromkeys(value for record in records for value in _values(record)):
        found.setdefault(key, {}).setdefault(text, []).append(label)
    return found


def _values(record: Record) -> Iterator[tuple[str, str, str]]:
    """(dotted key, value, label of the norm) for each key that is known of a run's environment."""
    of_run = {
        "device": record.device,
        "precision": record.precision,
        "engine": record.engine,
        "git_commit": record.git_commit,
    }
    changes = record.environment_changes
    for key, value in (of_run | flatten({"environment": record.environment})).items():
        changed = changes.get(key.removeprefix("environment."))
        text = _THEN.join(show_value(each, key) for each in changed) if changed else show_value(value, key)
        yield key, text, record.label


def environment_sentence(made_in: Environment) -> str | None:
    """What was not the same for all runs, the most telling first; None if all was."""
    differing = _differing(made_in, MOST_LABELS)
    if not differing:
        return None
    names = sorted(differing, key=_importance)
    named = [name for name in names[:MOST_KEYS] if name != _COMMIT] or names[:1]
    more = len(names) - len(named)
    rest = f"; and {plural(more, 'other key')}, which --strict names" if more > 0 else ""
    return f"Not all runs were made alike: {'; '.join(differing[name] for name in named)}{rest}."


def _importance(name: str) -> tuple[bool, int]:
    return name == _COMMIT, _TELLING.index(name) if name in _TELLING else len(_TELLING)


def refuse_other_environments(records: Sequence[Record]) -> None:
    """Raises ConfigError, naming each key, where the runs were not all made in one environment."""
    differing = _differing(environment(sorted(records, key=order)))
    if differing:
        lines = "\n  ".join(["--strict: these runs were not made in the same environment:", *differing.values()])
        raise ConfigError(f"{lines}\nchoose with --where, e.g. --where device=cpu, or leave out --strict")


def _differing(made_in: Environment, most: int | None = None) -> dict[str, str]:
    """By key with several values: the values, each with the norms that were run with it, at most `most` of them."""
    return {
        key: f"{key}: "
        + ", ".join(f"{value} ({listed(labels, most or len(labels))})" for value, labels in found.items())
        for key, found in made_in.items()
        if len(found) > 1 or _THEN in next(iter(found))
    }

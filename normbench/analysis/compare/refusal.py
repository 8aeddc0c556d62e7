"""The message for runs that cannot be compared: the keys that differ, and the options that choose among the runs."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from normbench.analysis.compare.facts import counted, show_value
from normbench.analysis.compare.tune import AS_TUNED
from normbench.errors import ConfigError
from normbench.runs.record import Record

Group = tuple[Sequence[Record], Mapping[str, Any]]
"""Runs under one recipe, and the recipe by dotted key."""

_ABSENT = "not set"


def refusal(groups: Sequence[Group], by: str | None = None) -> ConfigError:
    """Names the differing keys, the number of runs with each value, and the options that choose one group.

    With `by`, the groups have equal values of that key.
    """
    free = "norm and seed" if by is None else f"norm, seed and {by}"
    lines = [f"these runs differ in more than {free}, so they are not compared:"]
    experiments = counted(record.experiment for records, _ in groups for record in records)
    if len({record.experiment for records, _ in groups for record in records}) > 1:
        lines.append(f"  experiment: {experiments}")
    differing = _differing(groups)
    for key in differing:
        values = (_shown(recipe, key) for records, recipe in groups for _ in records)
        lines.append(f"  {key}: {counted(values)}")
    if by is None and (keys := _axes(groups, differing)):
        lines.append(f"compare the norms at each value with --by {' or --by '.join(keys)}, or")
    lines.append(f"choose with {' or '.join(_ways(groups))}, or give the folders of the runs you mean")
    return ConfigError("\n".join(lines))


def _axes(groups: Sequence[Group], differing: Sequence[str]) -> list[str]:
    """Keys that --by could take: at most two keys differ, and each value of such a key belongs to one group."""
    if len(differing) > 2:
        return []
    values = {key: {_shown(recipe, key) for _, recipe in groups} for key in differing if not key.startswith("data.")}
    return [key for key, found in values.items() if len(found) == len(groups) and not found & {_ABSENT, AS_TUNED}]


def _differing(groups: Sequence[Group]) -> list[str]:
    keys = dict.fromkeys(key for _, recipe in groups for key in recipe)
    return [key for key in keys if len({_shown(recipe, key) for _, recipe in groups}) > 1]


def _shown(recipe: Mapping[str, Any], key: str) -> str:
    return show_value(recipe[key], key) if key in recipe else _ABSENT


def _ways(groups: Sequence[Group]) -> list[str]:
    """Options that choose one group: an experiment with runs of that group only, or the largest group's keys."""
    owners: dict[str, set[int]] = {}
    for index, (records, _) in enumerate(groups):
        for record in records:
            owners.setdefault(record.experiment, set()).add(index)
    clean = [f"--experiment {shlex.quote(name)}" for name, owner in sorted(owners.items()) if len(owner) == 1]
    return clean[:4] or [_where(groups)]


def _where(groups: Sequence[Group]) -> str:
    _, wanted = max(groups, key=lambda group: len(group[0]))
    rivals = [recipe for _, recipe in groups if recipe is not wanted]
    keys = [key for key in _differing(groups) if key in wanted and wanted[key] != AS_TUNED]
    options = []
    while rivals and keys:
        best = min(keys, key=lambda key: sum(_shown(rival, key) == _shown(wanted, key) for rival in rivals))
        keys.remove(best)
        rivals = [rival for rival in rivals if _shown(rival, best) == _shown(wanted, best)]
        options.append(f"--where {shlex.quote(f'{best}={_shown(wanted, best)}')}")
    return " ".join(options) or "--where"

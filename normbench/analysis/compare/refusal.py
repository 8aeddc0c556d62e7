"""`--strict`: why the runs are not one set: the keys that differ, and the options that choose among the runs."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from normbench.analysis.compare.by import value_of
from normbench.analysis.compare.facts import counted
from normbench.analysis.compare.recipe import NOT_SET, shown_setting
from normbench.analysis.compare.sets import RunSet
from normbench.analysis.compare.tune import AS_TUNED
from normbench.runs.record import Record

Group = tuple[Sequence[Record], Mapping[str, Any]]
"""Runs under one recipe, and the recipe by dotted key."""


def refusal(sets: Sequence[RunSet]) -> str:
    """Names the keys that differ between the sets, the number of runs with each value, and how to choose one set."""
    groups = _groups(sets)
    free = " and ".join(["norm, seed", *_keys(sets)] if _keys(sets) else ["norm", "seed"])
    lines = [f"--strict: these runs differ in more than {free}, so they are not compared:"]
    experiments = [record.experiment for records, _ in groups for record in records]
    if len(set(experiments)) > 1:
        lines.append(f"  experiment: {counted(experiments)}")
    for key in _differing(groups):
        values = (shown_setting(recipe, key) for records, recipe in groups for _ in records)
        lines.append(f"  {key}: {counted(values)}")
    if keys := possible_axes(sets):
        lines.append(f"compare the norms at each value with --by {' or --by '.join(keys)}, or")
    lines.append(
        f"choose with {' or '.join(_ways(groups))}, give the folders of the runs you mean, or leave out --strict"
    )
    return "\n".join(lines)


def possible_axes(sets: Sequence[RunSet]) -> list[str]:
    """Keys that --by could take: at most two keys differ, and each value of such a key belongs to one set."""
    recipes = [recipe for found in sets for recipe in found.recipes.values()]
    differing = _differing([([], recipe) for recipe in recipes])
    if len(differing) > 2 or _keys(sets):
        return []
    values = {key: {shown_setting(recipe, key) for recipe in recipes} for key in differing}
    return [
        key
        for key, found in values.items()
        if len(found) == len(recipes) and not found & {NOT_SET, AS_TUNED} and not key.startswith("data.")
    ]


def _keys(sets: Sequence[RunSet]) -> list[str]:
    return list(dict.fromkeys(found.key for found in sets if found.key))


def _groups(sets: Sequence[RunSet]) -> list[Group]:
    along = _keys(sets)
    groups: list[Group] = []
    for found in sets:
        for value, recipe in found.recipes.items():
            records = [run.record for run in found.runs if value_of(run.record, found.key) == value]
            groups.append((records, {key: setting for key, setting in recipe.items() if key not in along}))
    return groups


def _differing(groups: Sequence[Group]) -> list[str]:
    keys = dict.fromkeys(key for _, recipe in groups for key in recipe)
    return [key for key in keys if len({shown_setting(recipe, key) for _, recipe in groups}) > 1]


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
        best = min(keys, key=lambda key: sum(_agree(rival, wanted, key) for rival in rivals))
        keys.remove(best)
        rivals = [rival for rival in rivals if _agree(rival, wanted, best)]
        options.append(f"--where {shlex.quote(f'{best}={shown_setting(wanted, best)}')}")
    return " ".join(options) or "--where"


def _agree(a: Mapping[str, Any], b: Mapping[str, Any], key: str) -> bool:
    return shown_setting(a, key) == shown_setting(b, key)

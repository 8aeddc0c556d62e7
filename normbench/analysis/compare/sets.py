"""Runs -> the sets whose runs may be compared: they differ in norm and seed, and along the key of a sweep."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from normbench.analysis.compare.beside import Beside, home_of
from normbench.analysis.compare.by import ascending, axis, value_of
from normbench.analysis.compare.facts import show_value
from normbench.analysis.compare.recipe import Recipe, of_the_data, recipe_of, varying, without
from normbench.analysis.compare.rows import when
from normbench.analysis.compare.run import Run
from normbench.analysis.compare.tune import AS_TUNED
from normbench.analysis.stats.pairs import By
from normbench.runs.folder import is_trial
from normbench.runs.sweep_records import Tuning


@dataclass(frozen=True)
class RunSet:
    """Runs on the same data under one recipe, or under one recipe at each value of `key`.

    `recipes` are by value of the key, without the key itself; without a key there is one, at None. `tuning` says which
    values each norm was tuned to.
    """

    runs: tuple[Run, ...]
    recipes: Mapping[By, Recipe]
    key: str | None = None
    tuning: Tuning | None = None

    @property
    def newest(self) -> datetime:
        return max(when(run.record) for run in self.runs)

    @property
    def homes(self) -> tuple[Path, ...]:
        """The folders of the experiments, sorted."""
        return tuple(sorted({home_of(run) for run in self.runs}))


@dataclass(frozen=True)
class _Member:
    """A run on its way into a set. Members of one `group` were planned together, to go along one of `keys`."""

    run: Run
    home: Path
    recipe: Recipe
    text: str
    """Equal for members with equal recipes."""
    group: Hashable
    keys: tuple[str, ...] = ()
    tuning: Tuning | None = None
    key: str | None = None
    value: By = None
    """Of `key`."""


def partition(runs: Sequence[Run], by: str | None, beside: Mapping[Path, Beside]) -> list[RunSet]:
    """The sets of runs that may be compared, the newest first. `beside` is by the folder of the experiment.

    The key of a set is `by`, or else the first key that the runs' sweep went along. Other keys may differ along it as
    far as they follow it within a sweep, as a learning rate that is scaled with the batch size. Runs on different
    images are never in one set. Raises ConfigError for a `by` that no run has, or that is no setting.
    """
    key = None if by is None else axis(by, [run.record for run in runs])
    members = _adopted([_member(run, home_of(run), beside) for run in runs])
    if key is not None:
        members = [replace(member, keys=(key,)) for member in members]
    groups: dict[Hashable, list[_Member]] = {}
    for member in members:
        groups.setdefault((member.group, member.keys, of_the_data(member.recipe)), []).append(member)
    sets: dict[str, list[_Member]] = {}
    for group in groups.values():
        along = _along(group, least=2 if by is None else 1)
        following = varying({(it.value, it.text): it.recipe for it in along}, along[0].key)
        for member in along:
            sets.setdefault(_identity(member, following), []).append(member)
    return sorted(map(_run_set, sets.values()), key=lambda found: found.newest, reverse=True)


def _member(run: Run, home: Path, beside: Mapping[Path, Beside]) -> _Member:
    tuning = None if is_trial(run.folder.path) else beside[home].tuning
    recipe = recipe_of(run.record, tuning)
    if AS_TUNED not in recipe.values():
        tuning = None
    number, keys = beside[home].plan_of(run)
    return _Member(run, home, recipe, json.dumps(recipe, sort_keys=True), (home, number), keys, tuning)


def _adopted(members: Sequence[_Member]) -> list[_Member]:
    """A run that no sweep planned joins the sweep of its experiment that has runs under its recipe."""
    planned = {(member.home, member.text): member for member in members if member.keys}
    if not planned:
        return list(members)
    return [_joined(member, planned.get((member.home, member.text), member)) for member in members]


def _joined(member: _Member, planned: _Member) -> _Member:
    return member if member.keys else replace(member, group=planned.group, keys=planned.keys)


def _along(group: Sequence[_Member], least: int) -> list[_Member]:
    """The members with the first of their keys that has at least so many values, or with none."""
    for key in group[0].keys:
        values = [value_of(member.run.record, key) for member in group]
        if len(set(values)) >= least and set(values) != {None}:
            return [replace(member, key=key, value=value) for member, value in zip(group, values, strict=True)]
    return list(group)


def _identity(member: _Member, following: Mapping[str, str]) -> str:
    if member.key is None and member.tuning is None:
        return member.text
    settings = {**without(member.recipe, member.key), **following}
    tuned = str(member.home) if member.tuning else None  # another tuning chose other values
    return json.dumps([member.key, tuned, settings], sort_keys=True)


def _run_set(members: Sequence[_Member]) -> RunSet:
    key, recipes = members[0].key, {member.value: member.recipe for member in members}
    return RunSet(
        runs=tuple(member.run for member in members),
        recipes={value: without(recipes[value], key) for value in ascending(set(recipes))},
        key=key,
        tuning=members[0].tuning,
    )


def values_of(found: RunSet, key: str) -> tuple[str, ...]:
    """The values of a setting within the set, as tables show them; empty where no run has it."""
    if key == found.key:
        return tuple(show_value(value, key) for value in found.recipes if value is not None)
    return tuple(dict.fromkeys(show_value(it[key], key) for it in found.recipes.values() if key in it))

"""What all runs of a comparison share: the settings beside norm and seed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from normbench.analysis.compare.by import ascending, value_of
from normbench.analysis.compare.facts import flatten, show_value
from normbench.analysis.compare.refusal import refusal
from normbench.analysis.compare.rows import By
from normbench.analysis.compare.tune import as_tuned
from normbench.runs.record import Record
from normbench.runs.sweep_records import Tuning

Recipe = dict[str, Any]
"""By dotted key."""

# Config keys that may differ between runs of one comparison. Norm and seed are its subject; the others do not change
# what is trained. The precision that was used is part of the environment.
_FREE = ("norm", "seeds", "name", "budget", "pictures", "data.dir", "data.urls", "train.precision")


def recipe_of(record: Record, tuning: Tuning | None = None) -> Recipe:
    """All that must be equal for two runs to differ in norm and seed only."""
    config = {key: value for key, value in record.config.items() if key not in _FREE}
    recipe = {key: value for key, value in flatten(config).items() if key not in _FREE}
    recipe |= {"data.evaluate_on": record.data.evaluated_on, "data.fingerprint": record.data.fingerprint}
    return recipe if tuning is None else as_tuned(recipe, record, tuning)


def recipes_by_value(records: Sequence[Record], key: str | None, tuning: Tuning | None) -> dict[By, Recipe]:
    """The one recipe at each value of `key`. Raises ConfigError where there are several."""
    found: dict[By, dict[str, tuple[list[Record], Recipe]]] = {}
    for record in records:
        recipe = recipe_of(record, tuning)
        if key is not None:
            recipe.pop(key, None)
        text = json.dumps(recipe, sort_keys=True)
        found.setdefault(value_of(record, key), {}).setdefault(text, ([], recipe))[0].append(record)
    everything = [group for groups in found.values() for group in groups.values()]
    mixed = [group for groups in found.values() if len(groups) > 1 for group in groups.values()]
    if mixed:
        raise refusal(mixed, key)
    if len({recipe["data.evaluate_on"] for _, recipe in everything}) > 1:
        raise refusal(everything, key)
    return {value: recipe for value, groups in found.items() for _, recipe in groups.values()}


def shared(recipes: Sequence[Mapping[str, Any]]) -> Recipe:
    """The keys that have one value in all recipes."""
    first, *others = recipes
    return {key: value for key, value in first.items() if all(key in it and it[key] == value for it in others)}


def varying_note(axis_key: str, recipes: Mapping[By, Recipe]) -> list[str]:
    """A note on other keys that change from value to value, such as a learning rate scaled with the batch size."""
    common = shared(list(recipes.values()))
    values = [value for value in ascending(set(recipes)) if value is not None or len(recipes) == 1]
    others = dict.fromkeys(key for recipe in recipes.values() for key in recipe if key not in common)
    also = [
        f"{key}: " + ", ".join(f"{show_value(recipes[v].get(key), key)} at {show_value(v)}" for v in values)
        for key in others
    ]
    return [f"with {axis_key} other keys change too, for all norms alike: {'; '.join(also)}"] if also else []

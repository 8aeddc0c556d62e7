"""What all runs of a comparison share: the settings beside norm and seed, and the data."""

from collections.abc import Mapping, Sequence
from typing import Any

from normbench.analysis.compare.by import ascending
from normbench.analysis.compare.facts import flatten, show_value
from normbench.analysis.compare.tune import as_tuned
from normbench.analysis.stats.pairs import By
from normbench.config.schema import OFF
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.plugins.names import portable
from normbench.runs.record import Record
from normbench.runs.sweep_records import Tuning

Recipe = dict[str, Any]
"""By dotted key."""

# Config keys that may differ between runs of one comparison. Norm and seed are its subject; the others do not change
# what is trained. The precision and the engine that were used are part of the environment.
_FREE = (
    *("norm", "seeds", "name", "budget", "pictures"),
    *("data.name", "data.dir", "data.urls", "data.also_test"),
    *("train.precision", "train.engine"),
)

_NETWORK = "model.name"
"""Of a network in a file the folder does not count: its source is told by `model.sha256`."""

NOT_SET = "not set"

OF_THE_DATA = ("data.fingerprint", "data.num_train", "data.num_eval", "data.evaluate_on")
"""The keys of a recipe that say which images were trained and evaluated on."""


def recipe_of(record: Record, tuning: Tuning | None = None) -> Recipe:
    """All that must be equal for two runs to differ in norm and seed only."""
    config = {key: value for key, value in record.config.items() if key not in _FREE}
    recipe = {key: value for key, value in flatten(config).items() if key not in _FREE}
    if isinstance(network := recipe.get(_NETWORK), str):
        recipe[_NETWORK] = portable(network)
    data = record.data
    seen = (data.fingerprint, data.num_train, data.num_eval, data.evaluated_on)
    recipe |= dict(zip(OF_THE_DATA, seen, strict=True))
    if data.mean is not None and data.mean != CIFAR10_CONSTANTS.mean:
        recipe |= {"data.mean": data.mean, "data.std": data.std}
    return recipe if tuning is None else as_tuned(recipe, record, tuning)


def of_the_data(recipe: Recipe) -> tuple[Any, ...]:
    """Equal for runs on the same images, trained and evaluated."""
    return tuple(recipe[key] for key in OF_THE_DATA)


def without(recipe: Recipe, key: str | None) -> Recipe:
    """The recipe without a key."""
    return {name: value for name, value in recipe.items() if name != key}


def varying(recipes: Mapping[tuple[By, Any], Recipe], key: str | None) -> dict[str, str]:
    """The settings that follow `key`: one value at each of its values, but not the same at all.

    `recipes` are by value of the key, several at a value told apart by anything else. Returns each setting with its
    values: {"train.optimizer.lr": "0.05 at 32, 0.1 at 64"}.
    """
    if key is None:
        return {}
    found = {}
    for name in dict.fromkeys(name for recipe in recipes.values() for name in recipe if name != key):
        shown: dict[By, set[str]] = {}
        for (value, _), recipe in recipes.items():
            shown.setdefault(value, set()).add(shown_setting(recipe, name))
        if all(len(texts) == 1 for texts in shown.values()) and len(set.union(*shown.values())) > 1:
            pairs = ((value, text) for value in ascending(set(shown)) for text in shown[value])
            found[name] = ", ".join(f"{text} at {show_value(value)}" for value, text in pairs)
    return found


def shown_setting(recipe: Mapping[str, Any], name: str) -> str:
    """A setting as it is shown; NOT_SET where the recipe does not have it, and it is none that is off."""
    found = {**OFF, **recipe}
    return show_value(found[name], name) if name in found else NOT_SET


def shared(recipes: Sequence[Mapping[str, Any]]) -> Recipe:
    """The keys that have one value in all recipes."""
    first, *others = recipes
    return {key: value for key, value in first.items() if all(key in it and it[key] == value for it in others)}


def varying_sentence(recipes: Mapping[By, Recipe], key: str) -> str | None:
    """On other settings that change from value to value, such as a learning rate scaled with the batch size."""
    found = varying({(value, None): it for value, it in recipes.items() if value is not None}, key)
    also = "; ".join(f"{name}: {text}" for name, text in found.items())
    return f"With {key} other settings change too, for all norms alike: {also}." if also else None

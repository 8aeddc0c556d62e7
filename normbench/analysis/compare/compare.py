"""Records of runs -> a comparison of norms, or a refusal that says why they cannot be compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normbench.analysis.compare.by import Grid, ascending, axis, grid, value_of
from normbench.analysis.compare.environment import environment, environment_notes, refuse_other_environments
from normbench.analysis.compare.pairs import DELTA, Pair, baseline_of, compare_pairs
from normbench.analysis.compare.refusal import refusal
from normbench.analysis.compare.rows import By, NormRow, norm_row, order, same_norm, when
from normbench.analysis.compare.select import Record, flatten, show_value
from normbench.analysis.compare.tuning import Tuning, as_tuned
from normbench.analysis.compare.until_decided import Decided, as_decided
from normbench.analysis.stats.estimate import CONFIDENCE

# Config keys that may differ between runs of one comparison: the norm and the seed are what it is about, the rest does
# not change what is trained. The precision that was really used is part of the environment.
_FREE = ("norm", "seeds", "name", "budget", "pictures", "data.dir", "data.urls", "train.precision")


@dataclass(frozen=True)
class Options:
    """What is asked of a comparison. `baseline` is a norm's label or kind; `delta`, in points, is what still matters.

    `by` is a config key along which the norms are compared; `strict` refuses runs of different environments.
    """

    baseline: str | None = None
    all_pairs: bool = False
    delta: float = DELTA
    by: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class Comparison:
    """Norms under one recipe on the same data. `split` is what was evaluated: test or val.

    With `grid`, a row is a norm at one value of the grid's key (`row.by`), and the recipe is one only at each value.
    """

    split: str
    rows: tuple[NormRow, ...]
    experiments: tuple[str, ...]
    source: str
    fingerprint: str
    num_train: int
    num_eval: int
    recipe: Mapping[str, Any]
    """What all runs share, by dotted key."""
    environment: Mapping[str, tuple[str, ...]]
    """Device, precision, versions by dotted key: the values found, the most frequent first."""
    confidence: float = CONFIDENCE
    baseline: str = ""
    delta: float = DELTA
    pairs: tuple[Pair, ...] = ()
    grid: Grid | None = None
    tuning: Tuning | None = None
    decided: Decided | None = None


def compare(
    records: Sequence[Record],
    options: Options | None = None,
    tuning: Tuning | None = None,
    decided: Decided | None = None,
) -> tuple[Comparison, list[str]]:
    """The comparison of at least one record, and notes on what a reader should know about it.

    Runs that differ in more than norm and seed raise ConfigError with the differing keys and how to choose; those of
    `options.by` may differ, and those that were tuned, as far as each norm has what was chosen for it.
    `decided` brings the verdicts of a sweep until decided. Differences in the environment are noted only. Of several
    runs with one norm and seed the newest is used.
    """
    if not records:
        raise ValueError("no records to compare")
    options = options or Options()
    key = None if options.by is None else axis(options.by, records)
    recipes = _recipes(records, key, tuning)
    if options.strict:
        refuse_other_environments(records)
    kept, notes = _newest(records, key)
    by_norm: dict[tuple[str, By], list[Record]] = {}
    for record in sorted(kept, key=order):
        by_norm.setdefault((same_norm(record), _value(record, key)), []).append(record)
    first = kept[0]
    split = first["data"]["evaluated_on"]
    metric = f"{split}_accuracy"
    rows = [norm_row(group, split, by) for (_, by), group in by_norm.items()]
    baseline = baseline_of(rows, options.baseline)
    pairs = compare_pairs(_rivals(rows, key), metric, baseline, all_pairs=options.all_pairs, delta=options.delta)
    comparison = Comparison(
        split=split,
        rows=tuple(rows),
        experiments=tuple(sorted({record["experiment"] for record in kept})),
        source=first["data"]["source"],
        fingerprint=first["data"]["fingerprint"],
        num_train=first["data"]["num_train"],
        num_eval=first["data"]["num_eval"],
        recipe=_shared(list(recipes.values())),
        environment={name: tuple(found) for name, found in environment(kept).items()},
        baseline=baseline,
        delta=options.delta,
        pairs=as_decided(pairs, decided) if decided and key is None else pairs,
        grid=None if key is None else grid(rows, key, metric),
        tuning=tuning,
        decided=decided if key is None else None,
    )
    notes = _capped(notes, "duplicates")
    notes += _capped([_diverged_note(record) for record in kept if record["status"] == "diverged"], "diverged runs")
    notes += [_mixed_model_note(group) for group in by_norm.values() if len({_model(record) for record in group}) > 1]
    if key is not None:
        notes += _along(key, recipes)
    return comparison, notes + environment_notes(kept)


def recipe_of(record: Record, tuning: Tuning | None = None) -> dict[str, Any]:
    """All that must be equal for two runs to differ in norm and seed only, by dotted key."""
    config = {key: value for key, value in record["config"].items() if key not in _FREE}
    recipe = {key: value for key, value in flatten(config).items() if key not in _FREE}
    data = record["data"]
    recipe |= {"data.evaluate_on": data["evaluated_on"], "data.fingerprint": data["fingerprint"]}
    return recipe if tuning is None else as_tuned(recipe, record, tuning)


def _recipes(records: Sequence[Record], key: str | None, tuning: Tuning | None) -> dict[By, dict[str, Any]]:
    """The one recipe at each value of `key`. Raises ConfigError where there are several."""
    found: dict[By, dict[str, tuple[list[Record], dict[str, Any]]]] = {}
    for record in records:
        recipe = recipe_of(record, tuning)
        if key is not None:
            recipe.pop(key, None)
        text = json.dumps(recipe, sort_keys=True)
        found.setdefault(_value(record, key), {}).setdefault(text, ([], recipe))[0].append(record)
    everything = [group for groups in found.values() for group in groups.values()]
    mixed = [group for groups in found.values() if len(groups) > 1 for group in groups.values()]
    if mixed:
        raise refusal(mixed, key)
    if len({recipe["data.evaluate_on"] for _, recipe in everything}) > 1:
        raise refusal(everything, key)
    return {value: recipe for value, groups in found.items() for _, recipe in groups.values()}


def _rivals(rows: Sequence[NormRow], key: str | None) -> list[list[NormRow]]:
    """The norms that are compared with one another: at each value, or all where the key is an option of the norm."""
    if key is None or key.startswith("norm."):
        return [list(rows)]
    return [[row for row in rows if row.by == value] for value in ascending({row.by for row in rows})]


def _value(record: Record, key: str | None) -> By:
    return None if key is None else value_of(record, key)


def _shared(recipes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, *others = recipes
    return {key: value for key, value in first.items() if all(key in it and it[key] == value for it in others)}


def _along(axis_key: str, recipes: Mapping[By, Mapping[str, Any]]) -> list[str]:
    """What else changes from value to value, as the learning rate does that is scaled with the batch size."""
    shared = _shared(list(recipes.values()))
    values = [value for value in ascending(set(recipes)) if value is not None or len(recipes) == 1]
    others = dict.fromkeys(key for recipe in recipes.values() for key in recipe if key not in shared)
    also = [
        f"{key}: " + ", ".join(f"{show_value(recipes[v].get(key), key)} at {show_value(v)}" for v in values)
        for key in others
    ]
    return [f"with {axis_key} other keys change too, for all norms alike: {'; '.join(also)}"] if also else []


def _newest(records: Sequence[Record], key: str | None) -> tuple[list[Record], list[str]]:
    """One run per norm and seed (and value of `key`), and a note on each that stands for several."""
    same: dict[tuple[str, int, By], list[Record]] = {}
    for record in records:
        same.setdefault((same_norm(record), record["seed"], _value(record, key)), []).append(record)
    kept, notes = [], []
    for group in same.values():
        newest = max(group, key=when)
        kept.append(newest)
        if len(group) > 1:
            places = ", ".join(f"{record['experiment']}/{record['run_id']}" for record in group)
            differing = [key for key, found in environment(group).items() if len(found) > 1]
            unlike = f"; they differ in {', '.join(differing)}" if differing else ""
            notes.append(
                f"duplicates: {newest['label']} seed {newest['seed']} was run {len(group)} times ({places}){unlike}; "
                f"only the newest counts, finished {newest['finished_at']}"
            )
    return kept, notes


def _capped(notes: list[str], what: str, most: int = 5) -> list[str]:
    return notes if len(notes) <= most else [*notes[:most], f"and {len(notes) - most:,} more {what}"]


def _diverged_note(record: Record) -> str:
    where = record.get("diverged")
    details = f" in epoch {where.get('epoch')}, loss {where.get('loss')}" if isinstance(where, Mapping) else ""
    return f"diverged: {record['label']} seed {record['seed']}{details}; counted, not averaged"


def _model(record: Record) -> str:
    return json.dumps([record["model"]["num_parameters"], record["model"]["norm_layers"]], sort_keys=True)


def _mixed_model_note(group: Sequence[Record]) -> str:
    models = sorted({f"{r['model']['num_parameters']:,} parameters, {_layers(r)}" for r in group})
    return f"{group[0]['label']}: its runs trained different networks ({'; '.join(models)}); was the code changed?"


def _layers(record: Record) -> str:
    return ", ".join(f"{count} {name}" for name, count in record["model"]["norm_layers"].items()) or "no norm layers"

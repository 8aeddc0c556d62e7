"""Notes on the context of a comparison: data, recipe, machine, the norm layers as built, the tuning."""

from collections.abc import Mapping
from typing import Any

from normbench.analysis.compare.compare import Comparison, layers_text
from normbench.analysis.compare.tune import tuning_notes
from normbench.analysis.compare.until_decided import decided_note


def context_notes(comparison: Comparison) -> list[str]:
    split, rows = comparison.split, comparison.rows
    layers = dict.fromkeys(f"{row.label}: {layers_text(row.norm_layers) or 'none'}" for row in rows)
    notes = [
        f"Data: {comparison.source}, {comparison.num_train:,} train and {comparison.num_eval:,} {split} images, "
        f"fingerprint {comparison.fingerprint[:8]}.",
        f"Experiment: {', '.join(comparison.experiments)}{_recipe(comparison.recipe)}.",
        f"Machine: {_machine(comparison.environment)}.",
        f"Norm layers as built: {'; '.join(layers)}.",
    ]
    if split == "val":
        notes.append("Val: images held out of the training set; the test set was not looked at.")
    if comparison.decisions:
        notes.append(decided_note(comparison.decisions))
    if comparison.tuning:
        notes += tuning_notes(comparison.tuning, list(dict.fromkeys(row.label for row in rows)))
    return notes


def _recipe(recipe: Mapping[str, Any]) -> str:
    named = {
        "model.name": "network {}",
        "train.epochs": "{} epochs",
        "train.batch_size": "batch size {}",
        "train.optimizer.name": "{}",
        "train.optimizer.lr": "lr {}",
    }
    return "".join(f", {text.format(recipe[key])}" for key, text in named.items() if key in recipe)


def _machine(environment: Mapping[str, tuple[str, ...]]) -> str:
    def found(key: str) -> str:
        return " or ".join(value for value in environment.get(key, ()) if value != "null")

    named = {
        "device": "{}",
        "precision": "{}",
        "environment.gpu": "{}",
        "environment.cpu": "{}",
        "environment.threads": "threads: {}",
        "environment.torch": "torch {}",
        "environment.python": "Python {}",
        "environment.normbench": "normbench {}",
    }
    return ", ".join(text.format(found(key)) for key, text in named.items() if found(key))

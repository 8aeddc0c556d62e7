"""Notes on the context of a comparison: data, recipe, machine, the norm layers as built, the tuning."""

from collections.abc import Collection, Mapping

from normbench.analysis.compare.compare import Comparison, layers_text
from normbench.analysis.compare.tune import tuning_notes
from normbench.analysis.compare.words import in_words
from normbench.present.tables.numbers import percent
from normbench.text import listed


def interval_note(counts: Collection[int], confidence: float) -> list[str]:
    """What the brackets are, for means over these numbers of runs, and which means have none."""
    said = {
        f"[low, high]: {percent(confidence)} interval of the mean over n seeds": any(n > 2 for n in counts),
        "n = 2 is too few for an interval": 2 in counts,
        "n = 1: no interval": 1 in counts,
    }
    shown = [sentence for sentence, applies in said.items() if applies]
    return [f"{'; '.join(shown)}."] if shown else []


def comparison_title(comparison: Comparison) -> str:
    """Whose runs, which data and split, and how many runs of each norm."""
    images = f"{comparison.num_train:,} train and {comparison.num_eval:,} {comparison.split} images"
    return f"{listed(comparison.experiments, 2)}: {comparison.data}, {images}, {_seeds(comparison)}"


def context_notes(comparison: Comparison) -> list[str]:
    """The most important ones first."""
    split, rows = comparison.split, comparison.rows
    layers = dict.fromkeys(f"{row.label} {layers_text(row.norm_layers) or 'none'}" for row in rows)
    notes = []
    if split == "val":
        notes.append("Val: images held out of the training set; the test set was not looked at.")
    if comparison.tuning:
        notes += tuning_notes(comparison.tuning, list(dict.fromkeys(row.label for row in rows)))
    recipe = recipe_in_words(comparison)
    notes += [
        *([f"Recipe: {recipe}."] if recipe else []),
        f"Machine: {machine_in_words(comparison.environment)}.",
        f"Images: fingerprint {comparison.fingerprint[:8]}.",
        f"Norm layers of the network: {', '.join(layers)}.{_one_group(comparison)}",
    ]
    return notes


def _seeds(comparison: Comparison) -> str:
    counts = sorted({row.n for row in comparison.rows})
    if counts[-1] == 1:
        return "n = 1" if counts[0] == 1 else "n = 0 or 1"
    return f"n = {counts[0]} seeds" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]} seeds"


def _one_group(comparison: Comparison) -> str:
    found = [row.label for row in comparison.rows if row.norm.get("kind") == "ln" and "GroupNorm" in row.norm_layers]
    return f" {found[0]} is PyTorch's GroupNorm with one group." if found else ""


def recipe_in_words(comparison: Comparison) -> str:
    """Network, epochs, batch size, optimizer, lr, and what is on of the loss, as far as all runs share them."""
    recipe = comparison.recipe
    shown = ["model.name", "train.epochs", "train.batch_size", "train.optimizer.name", "train.optimizer.lr"]
    shown += ["train.label_smoothing", "train.clip_grad_norm"]  # not written, and not told, where they are off
    counts = {row.num_parameters for row in comparison.rows}
    parameters = [f"{counts.pop():,} parameters"] if len(counts) == 1 else []
    return ", ".join([*(in_words(key, [f"{recipe[key]}"]) for key in shown if key in recipe), *parameters])


def machine_in_words(environment: Mapping[str, tuple[str, ...]]) -> str:
    """Device, precision, processor and versions: the values found."""

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

"""What a fair tuning chose for each norm: the one reason why norms of one comparison may differ in other keys."""

from collections.abc import Sequence
from typing import Any

from normbench.analysis.compare.facts import show_value
from normbench.config.schema import OFF
from normbench.runs.record import Record
from normbench.runs.sweep_records import Chosen, Tuning

AS_TUNED = "as tuned"


def as_tuned(recipe: dict[str, Any], record: Record, tuning: Tuning) -> dict[str, Any]:
    """The recipe with AS_TUNED in place of each value that the tuning chose for this norm; any other value stays."""
    fitting = (
        best.values
        for best in tuning.chosen
        if best.label == record.label and all(_setting(recipe, key) == value for key, value in best.cell.items())
    )
    values = next(fitting, {})
    settings = {key: value for key, value in values.items() if not key.startswith("norm.")}
    return recipe | {key: AS_TUNED for key, value in settings.items() if _setting(recipe, key) == value}


def _setting(recipe: dict[str, Any], key: str) -> Any:
    """The value of a key; what is off is not written."""
    return recipe.get(key, OFF.get(key, False))


def tuning_notes(tuning: Tuning, labels: Sequence[str]) -> list[str]:
    """The budget, what was chosen for each norm, and where the best value is on the edge of the grid."""
    chosen = [best for best in tuning.chosen if best.label in labels]
    grid = "; ".join(f"{key} from {', '.join(map(show_value, values))}" for key, values in tuning.grid.items())
    found = "; ".join(f"{_name(best)} {_values(best)}" for best in chosen)
    seeds = ", ".join(map(str, tuning.seeds))
    notes = [
        f"Tuned on held-out training images, {tuning.budget} trials for each norm (seeds {seeds}; {grid}). "
        f"Chosen: {found}."
    ]
    if untuned := [label for label in labels if label not in {best.label for best in tuning.chosen}]:
        notes.append(f"Not tuned: {', '.join(untuned)}.")
    for best in chosen:
        edges = [f"{key} = {show_value(best.values.get(key))}" for key in best.on_edge]
        if edges:
            notes.append(
                f"{_name(best)}: the best {', '.join(edges)} is on the edge of the grid; the real best may lie beyond "
                "it: widen the grid before trusting the difference."
            )
    return notes


def _name(best: Chosen) -> str:
    """`GN(4)`, or `GN(4) at train.batch_size 8`."""
    cell = ", ".join(f"{key} {show_value(value)}" for key, value in best.cell.items())
    return f"{best.label} at {cell}" if cell else best.label


def _values(best: Chosen) -> str:
    values = ", ".join(f"{key} {show_value(value)}" for key, value in best.values.items())
    return values if best.val_accuracy is None else f"{values} (val {100 * best.val_accuracy:.2f} %)"

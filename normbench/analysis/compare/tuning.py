"""What a fair tuning chose for each norm: the one reason why norms of one comparison may differ in other keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normbench.analysis.compare.select import Record, show_value

AS_TUNED = "as tuned"


@dataclass(frozen=True)
class Chosen:
    """The best trial of one norm: the keys' values, its accuracy on held-out images, the keys on the grid's edge.

    `cell` has the values of the sweep's other axes, where each combination was tuned on its own.
    """

    label: str
    cell: Mapping[str, Any]
    values: Mapping[str, Any]
    val_accuracy: float | None
    on_edge: tuple[str, ...]


@dataclass(frozen=True)
class Tuning:
    """`budget` trials a norm over `grid`, by dotted key, with `seeds` of their own."""

    budget: int
    grid: Mapping[str, Sequence[Any]]
    seeds: tuple[int, ...]
    chosen: tuple[Chosen, ...]


def tuning_from(content: Mapping[str, Any]) -> Tuning:
    """From a `tuning.json` as `runs.folder.read_tuning` gives it."""
    return Tuning(
        budget=content["budget"],
        grid=content["grid"],
        seeds=tuple(content["seeds"]),
        chosen=tuple(
            Chosen(
                label=best["label"],
                cell=best.get("cell", {}),
                values=best["values"],
                val_accuracy=best.get("val_accuracy"),
                on_edge=tuple(best.get("on_edge", ())),
            )
            for best in content["chosen"]
        ),
    )


def as_tuned(recipe: dict[str, Any], record: Record, tuning: Tuning) -> dict[str, Any]:
    """The recipe with one word in place of each value that the tuning chose for this norm; any other value stays."""
    fitting = (
        best.values
        for best in tuning.chosen
        if best.label == record["label"] and all(recipe.get(key) == value for key, value in best.cell.items())
    )
    values = next(fitting, {})
    chosen = {key: AS_TUNED for key, value in values.items() if key in recipe and recipe[key] == value}
    return recipe | chosen


def tuning_notes(tuning: Tuning, labels: Sequence[str]) -> list[str]:
    """The budget, what was chosen for whom, and where the best lies on the edge of the grid."""
    chosen = [best for best in tuning.chosen if best.label in labels]
    grid = "; ".join(f"{key} from {', '.join(map(show_value, values))}" for key, values in tuning.grid.items())
    found = "; ".join(f"{_name(best)} {_values(best)}" for best in chosen)
    seeds = ", ".join(map(str, tuning.seeds))
    notes = [
        f"Tuned on held-out training images, {tuning.budget} trials a norm (seeds {seeds}; {grid}). Chosen: {found}."
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

"""What `run.json` promises: the keys the rest of normbench relies on, their types, and text that can be printed."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from normbench.text import ABOVE_SPACE, UNPRINTABLE, shortened

SCHEMA_VERSION = 1
MAX_DEPTH = 50
STATUSES = ("finished", "diverged")
SPLITS = ("test", "val")

# In JSON text the control characters stand as such, or are written with a backslash.
_SUSPECT_IN_JSON = re.compile(rf"[\\{ABOVE_SPACE}]")

_NUMBER = (int, float)
_NEEDED: Mapping[str, Any] = {
    "run_id": str,
    "experiment": str,
    "status": str,
    "label": str,
    "seed": int,
    "config": dict,
    "data": {"source": str, "fingerprint": str, "num_train": int, "num_eval": int, "evaluated_on": str},
    "model": {"num_parameters": int, "norm_layers": dict},
    "metrics": dict,
    "timing": dict,
    "device": str,
    "precision": str,
    "environment": dict,
    "finished_at": str,
}
_TYPE_NAMES = {str: "text", int: "a whole number", dict: "a mapping", list: "a list"}


class Flaw(Exception):
    """What is wrong with a record, without its place."""


def check_depth(content: Any, text: str) -> None:
    """Raises Flaw for what is nested so deeply that a walk through it might not come back."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:  # usually: no need to look at each value
        return
    level = [content]
    for _ in range(MAX_DEPTH):
        inner = [value.values() if isinstance(value, dict) else value for value in level]
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
    if level:
        raise Flaw(f"nested deeper than {MAX_DEPTH} levels")


def checked(record: Any, text: str) -> dict[str, Any]:
    """The record itself, complete and printable. `text` is the JSON it was read from. Raises Flaw."""
    _check_version(record, "train the run again")
    _check_types(record, _NEEDED, "")
    _check_choice(record["status"], STATUSES, "status")
    split = record["data"]["evaluated_on"]
    _check_choice(split, SPLITS, "data.evaluated_on")
    _check_texts(record["data"].get("classes", []), "data.classes")
    for name in ("train_s_per_epoch", "eval_s_per_epoch"):
        if record["timing"].get(name) is not None:
            _check_number(record["timing"], name, "timing")
    if record["status"] == "finished":
        for name in ("train_loss", f"{split}_loss", f"{split}_errors"):
            _check_number(record["metrics"], name, "metrics")
        for name in ("train_accuracy", f"{split}_accuracy"):
            value = _check_number(record["metrics"], name, "metrics")
            _check_fraction(value, f"metrics.{name}")
        _check_errors(record["metrics"], split, record["data"]["num_eval"])
        _check_statistics(record.get("statistics"))
    _check_environment_changes(record.get("environment_changes", {}))
    if _SUSPECT_IN_JSON.search(text):  # usually not: walking through a thousand records takes its time
        _check_printable(record, "")
    return record


def checked_tuning(content: Any, text: str) -> dict[str, Any]:
    """What a `tuning.json` promises: the trials a norm had, the grid, and the best of each norm. Raises Flaw."""
    _check_version(content, "tune again")
    _check_types(content, {"budget": int, "grid": dict, "seeds": list, "chosen": list}, "")
    for key, values in content["grid"].items():
        _check_types({key: values}, {key: list}, "grid.")
    for number, best in enumerate(content["chosen"]):
        if not isinstance(best, dict):
            raise Flaw(f"chosen.{number}: expected a mapping, found {_short(best)}")
        _check_types(best, {"label": str, "values": dict}, f"chosen.{number}.")
        if best.get("val_accuracy") is not None:
            _check_fraction(_check_number(best, "val_accuracy", f"chosen.{number}"), f"chosen.{number}.val_accuracy")
        if "cell" in best:
            _check_types(best, {"cell": dict}, f"chosen.{number}.")
        _check_texts(best.get("on_edge", []), f"chosen.{number}.on_edge")
    if _SUSPECT_IN_JSON.search(text):
        _check_printable(content, "")
    return content


def checked_decisions(content: Any, text: str) -> dict[str, Any]:
    """What a `decisions.json` promises: the plan of a sweep until decided, and each pair's state. Raises Flaw."""
    _check_version(content, "give the experiment another name")
    needed: dict[str, Any] = {"norms": list, "seeds": list, "looks": list, "look": int, "pairs": list}
    _check_types(content, needed, "")
    for name in ("delta", "alpha"):
        _check_number(content, name, "")
    for number, pair in enumerate(content["pairs"]):
        if not isinstance(pair, dict):
            raise Flaw(f"pairs.{number}: expected a mapping, found {_short(pair)}")
        _check_types(pair, {"a": str, "b": str, "kind": str, "text": str}, f"pairs.{number}.")
    if _SUSPECT_IN_JSON.search(text):
        _check_printable(content, "")
    return content


def _check_version(content: Any, way_back: str) -> None:
    if not isinstance(content, dict) or "schema_version" not in content:
        raise Flaw("not a record of normbench (no schema_version)")
    version = content["schema_version"]
    if isinstance(version, bool) or version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        way_out = "a newer normbench wrote it: upgrade" if newer else way_back
        raise Flaw(f"schema_version {_short(version)}: this normbench reads {SCHEMA_VERSION}; {way_out}")


def _check_texts(names: Any, key: str) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Flaw(f"{key}: expected a list of text, found {_short(names)}")


def _check_errors(metrics: Mapping[str, float], split: str, num_eval: int) -> None:
    errors, accuracy = metrics[f"{split}_errors"], metrics[f"{split}_accuracy"]
    if abs(errors - (1 - accuracy) * num_eval) > 0.51:
        raise Flaw(
            f"contradicts itself: metrics.{split}_accuracy is {accuracy}, metrics.{split}_errors {errors} of "
            f"{num_eval:,} images"
        )


def _check_statistics(found: Any) -> None:
    """Accuracy under running, batch and precise statistics; older runs and norms without them have none."""
    if found is None:
        return
    if not isinstance(found, dict):
        raise Flaw(f"statistics: expected a mapping, found {_short(found)}")
    for name in ("running", "batch", "precise"):
        _check_fraction(_check_number(found, name, "statistics"), f"statistics.{name}")


def _check_environment_changes(found: Any) -> None:
    """What was not the same from the run's first step to its last; older runs do not tell."""
    if not isinstance(found, dict):
        raise Flaw(f"environment_changes: expected a mapping, found {_short(found)}")
    _check_types(found, dict.fromkeys(found, list), "environment_changes.")


def _check_fraction(value: float, key: str) -> None:
    if not 0 <= value <= 1:
        raise Flaw(f"{key}: {value} is not a fraction from 0 to 1")


def _check_types(found: Mapping[str, Any], needed: Mapping[str, Any], prefix: str) -> None:
    for key, kind in needed.items():
        if key not in found:
            raise Flaw(f"{prefix}{key} is missing")
        value = found[key]
        wanted = dict if isinstance(kind, Mapping) else kind
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise Flaw(f"{prefix}{key}: expected {_TYPE_NAMES[wanted]}, found {_short(value)}")
        if isinstance(kind, Mapping):
            _check_types(value, kind, f"{prefix}{key}.")


def _check_number(section: Mapping[str, Any], name: str, title: str) -> float:
    value = section.get(name)
    if isinstance(value, bool) or not isinstance(value, _NUMBER) or not math.isfinite(value):
        raise Flaw(f"{f'{title}.' if title else ''}{name}: expected a number, found {_short(value)}")
    return value


def _check_choice(value: str, allowed: Sequence[str], key: str) -> None:
    if value not in allowed:
        raise Flaw(f"{key}: expected {' or '.join(allowed)}, found {_short(value)}")


def _check_printable(value: Any, key: str) -> None:
    if isinstance(value, str):
        if UNPRINTABLE.search(value):
            raise Flaw(f"{key or 'a key'}: holds control characters: {_short(value)}")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_printable(name, "")
            _check_printable(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for inner in value:
            _check_printable(inner, key)


def _short(value: object) -> str:
    return shortened(repr(value))

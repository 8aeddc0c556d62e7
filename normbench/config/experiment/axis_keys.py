"""Which keys of a config `sweep` and `tune` may vary."""

from collections.abc import Mapping

from normbench.config.overrides import ALIASES
from normbench.config.schema import CHOICES, SECTIONS
from normbench.config.yaml import KeyPath, dotted
from normbench.text import unknown_name

# What may not differ between the runs of an experiment, and why.
_FIXED: Mapping[KeyPath, str] = {
    ("name",): "an experiment has one name",
    ("seeds",): "seeds stand below 'seeds', and every cell is trained with each",
    ("budget",): "the budget is the same for all runs of an experiment",
    ("pictures",): "how pictures are drawn makes no other run",
    ("data", "dir"): "where the images lie makes no other run",
    ("data", "urls"): "where the images come from makes no other run",
    ("data", "evaluate_on"): "runs that are scored on different images cannot be compared",
}
_NOT_TUNED: Mapping[KeyPath, str] = {
    (
        "norm",
    ): "norms are what is compared, each is tuned for itself; its options may be tuned, such as norm.num_groups",
    ("data", "source"): "settings are chosen on the images that the norms are compared on",
}


def key_path(key: str) -> KeyPath:
    """The place of a dotted key in a config: `train.lr` and `norm.kind` stand for train.optimizer.lr and norm."""
    path: KeyPath = tuple(ALIASES.get(key, key).split("."))
    return path[:-1] if CHOICES.get(path[:-1]) == path[-1] else path


def why_not(section: str, key: str) -> str:
    """Why `section` (sweep or tune) cannot have the key; empty if it can."""
    path = key_path(key)
    not_tuned = _NOT_TUNED if section == "tune" else {}
    reason = next((why for place, why in _FIXED.items() if path[: len(place)] == place), not_tuned.get(path, ""))
    if reason:
        return f"cannot be in {section!r}: {reason}"
    if path in SECTIONS:
        inside = [dotted((*path, field)) for field in SECTIONS[path].model_fields if (*path, field) not in _FIXED]
        return f"is a section; write its keys out: {', '.join(inside)}"
    if path[:-1] in CHOICES or (path[:-1] in SECTIONS and path[-1] in SECTIONS[path[:-1]].model_fields):
        return ""
    known = [
        dotted((*above, field))
        for above, model in SECTIONS.items()
        for field in model.model_fields
        if above not in _FIXED and (*above, field) not in {*_FIXED, *not_tuned, *SECTIONS}
    ]
    return f"{unknown_name('key', key, known)}; an option of a choice is written like train.optimizer.lr"

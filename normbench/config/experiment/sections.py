"""The keys `sweep`, `exclude` and `tune` of a config's layers, taken out and joined."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from normbench.config.experiment.axes import Axis, read_axes, replace_axes
from normbench.config.messages import shown
from normbench.config.problems import Problems
from normbench.config.schema import CHOICES
from normbench.config.tree import KeyPath, Located, dotted

MAX_ENTRIES = 500  # each is compared with each of up to 10,000 cells
_TUNE_OPTIONS = ("budget", "seeds")  # the keys of `tune` that are no axes


@dataclass
class Sections:
    """The sections of all layers together: an axis, list or number of a later layer replaces that of an earlier one."""

    sweep: list[Axis] = field(default_factory=list)
    exclude: list[Located] = field(default_factory=list)
    tune: list[Axis] = field(default_factory=list)
    tune_options: dict[str, Located] = field(default_factory=dict)
    tune_at: Located | None = None

    @property
    def axes(self) -> list[Axis]:
        return [*self.sweep, *self.tune]


def take_sections(layers: Sequence[Located], problems: Problems) -> Sections:
    """Take the sections out of `layers` (the base first), which then hold the config of one run."""
    sections = Sections()
    for layer in layers:
        earlier = [*sections.axes]
        sweep = _mapping(layer, "sweep", "{norm: [bn, gn]}", problems)
        if sweep:
            sections.sweep = replace_axes(sections.sweep, read_axes(sweep, "sweep", problems))
        exclude = layer.value.pop("exclude", None)
        if exclude:
            sections.exclude = _entries(exclude, problems)
        tune = _mapping(layer, "tune", "{train.optimizer.lr: [0.02, 0.04], budget: 2}", problems)
        if tune:
            sections.tune_at = tune
            sections.tune_options |= {key: tune.value.pop(key) for key in _TUNE_OPTIONS if key in tune.value}
            sections.tune = replace_axes(sections.tune, read_axes(tune, "tune", problems))
        for axis in sections.axes:
            _check_not_set(axis, layer, problems, is_earlier=axis in earlier)
    return sections


def _mapping(layer: Located, key: str, example: str, problems: Problems) -> Located | None:
    node: Located | None = layer.value.pop(key, None)
    if node is None or (isinstance(node.value, dict) and node.value):
        return node
    found = "nothing in it" if node.value == {} else shown(node.plain())
    problems.add(node.place, (key,), f"must be a mapping of keys to values, such as {example}; found {found}")
    return None


def _entries(exclude: Located, problems: Problems) -> list[Located]:
    found = exclude.value if isinstance(exclude.value, list) else [exclude]
    entries = [entry for entry in found if isinstance(entry.value, dict) and entry.value]
    if len(entries) < len(found) or found == [exclude]:
        text = "must be a list of mappings, such as [{norm: bn, train.batch_size: 2}]"
        problems.add(exclude.place, ("exclude",), text)
    if len(entries) > MAX_ENTRIES:
        text = f"has {len(entries):,} entries, {MAX_ENTRIES:,} are allowed"
        problems.add(exclude.place, ("exclude",), text)
    return entries[:MAX_ENTRIES]


def _check_not_set(axis: Axis, layer: Located, problems: Problems, *, is_earlier: bool) -> None:
    """A later file or a flag may not set a swept key: the value would never be used.

    The file of the axis itself may set the key too: the value is that of `train`, which runs without the sweep.
    """
    for key in axis.keys:
        node = _at(layer, key)
        if node and (is_earlier or node.place.line is None):
            text = (
                f"is below {axis.section!r} ({axis.place}), so that this value would never be used; "
                f"give it there, such as --set '{axis.section}.{dotted(key)}=[{_short(key, node)}]'"
            )
            problems.add(node.place, key, text)


def _at(tree: Located, path: KeyPath) -> Located | None:
    for key in path:
        if not isinstance(tree.value, dict) or key not in tree.value:
            return None
        tree = tree.value[key]
    return tree


def _short(key: KeyPath, node: Located) -> str:
    value: Any = node.plain()
    if isinstance(value, dict):
        value = value.get(CHOICES.get(key, ""))
    return "..." if value is None or isinstance(value, dict | list) else str(value)

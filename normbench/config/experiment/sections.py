"""What a config's files and flags say about many runs: their `sweep`, `exclude` and `tune`, taken out and joined."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from normbench.config.experiment.axes import Axis, read_axes, replace_axes
from normbench.config.messages import shown
from normbench.config.schema import CHOICES
from normbench.config.yaml import KeyPath, Located, Problem, dotted

MAX_ENTRIES = 500  # each is held against each of up to 10,000 cells
_OF_TUNE = ("budget", "seeds")


@dataclass
class Sections:
    """Filled layer by layer; of an axis, a list or a number, the later layer's counts."""

    sweep: list[Axis] = field(default_factory=list)
    exclude: list[Located] = field(default_factory=list)
    tune: list[Axis] = field(default_factory=list)
    tune_options: dict[str, Located] = field(default_factory=dict)
    tune_at: Located | None = None

    @property
    def axes(self) -> list[Axis]:
        return [*self.sweep, *self.tune]


def take_sections(layers: Sequence[Located], problems: list[Problem]) -> Sections:
    """Takes the keys out of `layers`, the base first, so that these hold configs of one run."""
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
            sections.tune_options |= {key: tune.value.pop(key) for key in _OF_TUNE if key in tune.value}
            sections.tune = replace_axes(sections.tune, read_axes(tune, "tune", problems))
        for axis in sections.axes:
            _check_not_set(axis, layer, problems, is_earlier=axis in earlier)
    return sections


def _mapping(layer: Located, key: str, example: str, problems: list[Problem]) -> Located | None:
    node: Located | None = layer.value.pop(key, None)
    if node is None or (isinstance(node.value, dict) and node.value):
        return node
    found = "nothing in it" if node.value == {} else shown(node.plain())
    problems.append(
        Problem(node.place, (key,), f"must be a mapping of keys to values, such as {example}; found {found}")
    )
    return None


def _entries(exclude: Located, problems: list[Problem]) -> list[Located]:
    found = exclude.value if isinstance(exclude.value, list) else [exclude]
    entries = [entry for entry in found if isinstance(entry.value, dict) and entry.value]
    if len(entries) < len(found) or found == [exclude]:
        text = "must be a list of mappings, such as [{norm: bn, train.batch_size: 2}]"
        problems.append(Problem(exclude.place, ("exclude",), text))
    if len(entries) > MAX_ENTRIES:
        text = f"has {len(entries):,} entries, {MAX_ENTRIES:,} are allowed"
        problems.append(Problem(exclude.place, ("exclude",), text))
    return entries[:MAX_ENTRIES]


def _check_not_set(axis: Axis, layer: Located, problems: list[Problem], *, is_earlier: bool) -> None:
    """A value that a later file or a flag gives a swept key would never be used, which nobody means.

    In the file of the axis itself it may stand beside it, as the value of runs outside of the sweep.
    """
    for key in axis.keys:
        node = _at(layer, key)
        if node and (is_earlier or node.place.line is None):
            text = (
                f"is below {axis.section!r} ({axis.place}), so that this value would never be used; "
                f"give it there, such as --set '{axis.section}.{dotted(key)}=[{_short(key, node)}]'"
            )
            problems.append(Problem(node.place, key, text))


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

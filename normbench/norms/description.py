"""What is known of a norm without making a layer: its docstring, its options, its other names."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from normbench.norms.registry import ENTRIES, SPATIAL

_AXES = {SPATIAL: "H W", "C/G": "C/G", "N/B": "N/B"}
_LEARNS = re.compile(r"[Ll]earns (?P<learns>.*?)(; | and )stores (?P<stores>.*?)\.(\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Description:
    """A norm.

    name: how papers call it. over: the axes that share a mean and a deviation, such as "N H W"; empty for none or where
    they are not known. learns, stores: symbols and names of tensors, as the docstring has them. text: the docstring
    after its first sentence. options: their defaults.
    """

    kind: str
    name: str
    sentence: str
    text: str
    over: str
    learns: tuple[str, ...]
    stores: tuple[str, ...]
    options: dict[str, Any]
    aliases: tuple[str, ...]


def describe(kind: str, norm: Callable[..., object]) -> Description:
    """The norm `kind`, as a registry holds it."""
    sentence, _, text = (inspect.getdoc(norm) or "").partition("\n")
    entry = ENTRIES.get(kind)
    found = _LEARNS.search(text)
    learns, stores = (found["learns"], found["stores"]) if found else ("", "")
    return Description(
        kind=kind,
        name=sentence.partition(":")[0].rstrip(".").replace("`", ""),
        sentence=sentence,
        text=re.sub(r"\s+Raises ConfigError.*", "", text, flags=re.DOTALL).strip(),
        over=" ".join(_AXES.get(axis, axis) for axis in (entry.axes or ())) if entry else "",
        learns=tuple(re.findall(r"(\w+) \[", learns)),
        stores=tuple(re.findall(r"(\w+) \[", stores)),
        options={option.name: option.default for option in inspect.signature(norm).parameters.values()},
        aliases=entry.aliases if entry else (),
    )

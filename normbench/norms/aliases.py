"""Other names of norms: `BN`, `batch_norm` and `nn.BatchNorm2d` are `bn`; `GN(4)` is `gn` with four groups."""

import ast
import inspect
import re
from typing import Any

from normbench.norms.registry import ENTRIES, NORMS
from normbench.text import bare

POSITIONAL = ("num_groups", "ghost_size")
"""Options that a label shows without their name: papers write GN(4)."""

_LABEL = re.compile(r"(?P<name>[^()+]+)(\((?P<options>[^()]+)\))?(?P<ws>\+ws)?", re.IGNORECASE)


_KINDS = {name: kind for kind, entry in ENTRIES.items() for name in (bare(kind), *entry.aliases)}


def resolve_norm(text: str) -> tuple[str, dict[str, Any]] | None:
    """The kind and the options that `text` stands for; None for text that names no norm of normbench.

    `text` is a kind, another name of it in any case, or a label of a table, such as `GN(4)` or `LN(affine=False)+WS`.
    Options that a label does not show are left out. Whether the norm takes them is not checked.
    """
    found = _LABEL.fullmatch(text.strip())
    kind = _KINDS.get(bare(found["name"]).removeprefix("torch.").removeprefix("nn.")) if found else None
    if found is None or kind is None:
        return None
    try:
        options = dict(_option(kind, part) for part in (found["options"] or "").split(",") if part)
    except (ValueError, SyntaxError):
        return None
    return kind, options | ({"ws": True} if found["ws"] else {})


def _option(kind: str, text: str) -> tuple[str, Any]:
    """The option's name and value, of `affine=False` or of the `4` in GN(4). Raises ValueError, SyntaxError."""
    name, _, value = text.strip().rpartition("=")
    if not name:
        [name] = [option for option in inspect.signature(NORMS[kind]).parameters if option in POSITIONAL]
    return name.strip(), ast.literal_eval(value.strip())

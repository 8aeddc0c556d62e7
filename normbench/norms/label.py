"""The name of a norm in tables, plots and folders."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from normbench.errors import ConfigError
from normbench.norms.aliases import POSITIONAL
from normbench.norms.lookup import NORM_REGISTRY
from normbench.text import unknown_name


def norm_label(kind: str, options: Mapping[str, Any]) -> str:
    """The norm's name in capitals with the options that make it differ from the default of its kind.

    `BN`, `GN(4)`, `LN-CHW(affine=False)`, `GN(4)+WS`; for an import path the name of the attribute, `MyNorm`. Options
    that are left out count as default. Raises ConfigError for an unknown kind.
    """
    if kind not in NORM_REGISTRY:
        raise ConfigError(unknown_name("norm", kind, NORM_REGISTRY))
    shown = []
    for name, parameter in inspect.signature(NORM_REGISTRY[kind]).parameters.items():
        value = options.get(name, parameter.default)
        if name == "num_groups" and options.get("channels_per_group") is not None:
            continue  # it does not count then
        if name in POSITIONAL:  # even where the value is the default
            shown.append(f"{value}")
        elif name != "ws" and value != parameter.default:
            shown.append(f"{name}={value}")
    title = kind if kind == "none" else kind.upper()
    if ":" in kind:
        title = kind.rpartition(":")[2]
    label = f"{title}({', '.join(shown)})" if shown else title
    return f"{label}+WS" if options.get("ws") else label


def norm_folder_name(kind: str) -> str:
    """The kind as the beginning of a folder's name; for an import path the name of the attribute."""
    return re.sub(r"[^\w.-]", "_", kind.rpartition(":")[2])

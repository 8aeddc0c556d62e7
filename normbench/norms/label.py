"""How a norm is called in tables and plots."""

import inspect
from collections.abc import Mapping
from typing import Any

from normbench.errors import ConfigError, unknown_name
from normbench.norms.registry import NORMS

_ALWAYS_SHOWN = "num_groups"  # papers write GN(4), even where 4 is the default


def norm_label(kind: str, options: Mapping[str, Any]) -> str:
    """The norm's name in capitals with the options that make it differ from the default of its kind.

    `BN`, `GN(4)`, `LN-CHW(affine=False)`, `BN(momentum=0.01)`; left-out options count as default. Raises ConfigError
    for an unknown kind.
    """
    if kind not in NORMS:
        raise ConfigError(unknown_name("norm", kind, NORMS))
    shown = []
    for name, parameter in inspect.signature(NORMS[kind]).parameters.items():
        value = options.get(name, parameter.default)
        if name == _ALWAYS_SHOWN:
            shown.append(f"{value}")
        elif value != parameter.default:
            shown.append(f"{name}={value}")
    title = kind if kind == "none" else kind.upper()
    return f"{title}({', '.join(shown)})" if shown else title

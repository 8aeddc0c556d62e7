"""The short table of `normbench norms`: one line for each norm."""

from collections.abc import Sequence

from normbench.norms.description import Description
from normbench.present.tables.table import Table


def norm_list(norms: Sequence[Description]) -> Table:
    """A row for each norm."""
    records = tuple(
        {
            "norm": norm.kind,
            "name": norm.name,
            "statistics": norm.over,
            "learns": " ".join(norm.learns),
            "stores": " ".join(name.removeprefix("running_") for name in norm.stores),
        }
        for norm in norms
    )
    return Table(
        title="Norms",
        columns=("norm", "name", "statistics", "learns", "stores"),
        rows=tuple(tuple(record.values()) for record in records),
        records=records,
        notes=(
            "statistics: the axes that share them; C/G: a group of channels, N/B: B images",
            "normbench norms gn: formula, options, paper; --full: parameters, budget",
        ),
        num_text_columns=5,
        dispensable=("stores", "learns"),
    )

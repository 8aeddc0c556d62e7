"""The table of the norm layers that were exchanged in a network."""

from collections.abc import Sequence

from normbench.models.exchange import ExchangedLayer
from normbench.present.tables.table import NOT_KNOWN, Cell, Table, Value, without


def exchange_table(rows: Sequence[ExchangedLayer], title: str, warnings: Sequence[str] = ()) -> Table:
    """A row for each layer, in the order of the forward pass.

    What was carried over stands below the rows if it is the same for all, and groups are left out if no layer has any.
    """
    carried = {row.carried for row in rows}
    table = Table(
        title=title,
        columns=("layer", "was", "is", "carried over", "channels", "size", "groups"),
        rows=tuple(_row(row) for row in rows),
        records=tuple(_record(row) for row in rows),
        footer=(f"carried over: {_listed(*carried)}",) if len(carried) == 1 else (),
        notes=tuple(warnings),
        num_text_columns=4,
    )
    if len(carried) == 1:
        table = without(table, "carried over")
    return table if any(row.num_groups for row in rows) else without(table, "groups")


def _row(row: ExchangedLayer) -> tuple[Cell, ...]:
    return (
        _pieces(row.paths),
        row.was,
        row.now,
        _pieces(row.carried) or "nothing",
        f"{row.num_channels:,}",
        _pieces([f"{height} x {width}" for height, width in row.sizes]),
        NOT_KNOWN if row.num_groups is None else f"{row.num_groups:,}",
    )


def _record(row: ExchangedLayer) -> dict[str, Value]:
    return {
        "layer": " ".join(row.paths),
        "was": row.was,
        "is": row.now,
        "carried_over": " ".join(row.carried),
        "num_channels": row.num_channels,
        "sizes": " ".join(f"{height}x{width}" for height, width in row.sizes),
        "num_groups": row.num_groups,
    }


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or "nothing"


def _pieces(words: Sequence[str]) -> tuple[str, ...]:
    """The words, between which a narrow terminal may break the line."""
    return tuple(f"{word}," for word in words[:-1]) + tuple(words[-1:])

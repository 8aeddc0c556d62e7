"""A tidy table as Parquet."""

from collections.abc import Sequence
from pathlib import Path

from normbench.errors import ConfigError
from normbench.export.history import Value
from normbench.files import write_bytes_atomically


def write_parquet(rows: Sequence[dict[str, Value]], path: Path) -> None:
    """Raises ConfigError without pyarrow, and for a file that cannot be written."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError("Parquet needs pyarrow: pip install 'normbench[parquet]'") from None
    sink = pyarrow.BufferOutputStream()
    columns = {key: _of_one_type([row[key] for row in rows]) for key in (rows[0] if rows else {})}
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    write_bytes_atomically(path, sink.getvalue().to_pybytes())


def _of_one_type(values: Sequence[Value]) -> Sequence[Value]:
    """A column of Parquet has one type: whole numbers beside others become floats, any other mixture text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    if len(kinds) > 1:
        return [None if value is None else str(value) for value in values]
    return values

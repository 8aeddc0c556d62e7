"""The column of a table for the key that a comparison goes along, such as train.batch_size."""

from dataclasses import dataclass

from normbench.analysis.compare.facts import show_value
from normbench.analysis.compare.words import name_in_words
from normbench.analysis.stats.pairs import By
from normbench.present.tables.table import NOT_KNOWN, Value


@dataclass(frozen=True)
class Along:
    """The column and the value in each record for `key`, a dotted key; neither if `key` is None."""

    key: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        return () if self.key is None else (name_in_words(self.key),)

    def cells(self, value: By) -> tuple[str, ...]:
        return () if self.key is None else (axis_value(value, self.key),)

    def record(self, value: By) -> dict[str, Value]:
        return {} if self.key is None else {self.key: value}


def axis_value(value: By, key: str) -> str:
    return NOT_KNOWN if value is None else show_value(value, key)

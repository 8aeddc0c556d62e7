"""The columns of a table that are asked for."""

import pytest

from normbench.errors import ConfigError
from normbench.present.tables.table import with_columns, with_keys
from tests.tables import ODD, three_seeds


def test_columns_are_chosen_by_title_however_it_is_written() -> None:
    table = with_columns(three_seeds(), ["test-acc", "N", "s/epoch"])
    assert table.columns == ("Norm", "Test Acc", "n", "s/epoch")
    assert table.rows[0] == ("BN", ("79.10", "[78.85,", "79.35]"), "3", "12.5")


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown column 'Tets Acc': did you mean 'Test Acc'"):
        with_columns(three_seeds(), ["Tets Acc"])


def test_keys_of_records_are_the_columns_of_csv() -> None:
    assert with_keys(ODD, ["value"]).records == ({"value": -1 / 3},)
    with pytest.raises(ConfigError, match="unknown column of csv 'valu': did you mean 'value'"):
        with_keys(ODD, ["valu"])

"""The table of exchanged norm layers."""

import csv
import io

from normbench.models.exchange import ExchangedLayer
from normbench.present.tables.exchange import exchange_table
from tests.tables import shown

ALIKE = ("weight", "bias", "eps")
GROUPED = ExchangedLayer(("stem.1",), "BatchNorm2d", "GroupNorm", 64, ((32, 32),), 4, ALIKE)
SHARED = ExchangedLayer(("a.bn", "b.bn"), "BatchNorm2d", "GroupNorm", 1280, ((8, 8), (4, 4)), 4, ALIKE)
BARE = ExchangedLayer(("head.bn",), "BatchNorm1d", "RMSNorm2d", 64, ((1, 1),), None, ("weight",))


def test_what_all_layers_carried_over_is_said_once() -> None:
    table = exchange_table([GROUPED, SHARED], "Norm layers", ["a warning"])
    assert "carried over" not in table.columns
    assert [line for line in table.footer if "weight, bias, eps" in line]
    assert table.notes == ("a warning",)
    assert "carried over" in exchange_table([GROUPED, BARE], "").columns


def test_groups_are_shown_where_a_layer_has_them() -> None:
    assert "groups" in exchange_table([GROUPED, BARE], "").columns
    assert "groups" not in exchange_table([BARE], "").columns


def test_a_program_gets_every_value_in_a_column_of_its_own() -> None:
    first, second = csv.DictReader(io.StringIO(shown(exchange_table([SHARED, BARE], ""), "csv")))
    assert first["layer"] == "a.bn b.bn"
    assert first["sizes"] == "8x8 4x4"
    assert (first["num_channels"], first["num_groups"], second["num_groups"]) == ("1280", "4", "")
    assert first["carried_over"] == "weight bias eps"


def test_eighty_columns_hold_the_table() -> None:
    text = shown(exchange_table([GROUPED, SHARED], "Norm layers"), "table", 80, terminal=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "a.bn, b.bn" in text

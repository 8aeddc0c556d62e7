"""Tables on a terminal: what fits is shown, and nothing is cut off."""

from dataclasses import replace

import pytest

from normbench.present.tables.formats.terminal import fitted
from normbench.present.tables.norms import comparison_table
from normbench.present.tables.table import Answer, Table
from tests.records import compare_records, make_record
from tests.tables import ODD, shown, three_seeds

SENTENCES = Table(
    title="Claims",
    columns=("Claim", "Because", "Value"),
    rows=(("first", "a sentence of several words that a narrow terminal breaks between any two of them", "1.00"),),
    records=(),
    num_text_columns=2,
    wraps=True,
)
GRID = Table(
    title="Accuracy by batch size",
    columns=("Norm", *(str(2**power) for power in range(1, 9))),
    rows=tuple((label, *[("80.10", "[79.85,", "80.35]")] * 8) for label in ("BN", "GN(4)")),
    records=(),
)


@pytest.mark.parametrize("width", [40, 80, 100, 140, 200])
@pytest.mark.parametrize("table", [three_seeds(), SENTENCES, GRID], ids=["norms", "sentences", "grid"])
def test_nothing_is_cut_off_or_wider_than_the_terminal(table: Table, width: int) -> None:
    text = shown(table, "table", width, terminal=True)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    for row in fitted(table, width).rows:
        for cell in row:
            for word in " ".join([cell] if isinstance(cell, str) else cell).split():
                assert word in words


def test_a_narrow_terminal_leaves_out_columns_and_breaks_no_cell() -> None:
    measured = {"running": 0.7, "batch": 0.75, "precise": 0.74, "batch_size": 64}
    records = [
        make_record(kind, seed, 0.79 + seed / 1000, statistics=measured) for kind in ("bn", "gn") for seed in range(3)
    ]
    table = comparison_table(compare_records(records)[0])
    text = shown(table, "table", 80, terminal=True)
    assert "79.10 [78.85, 79.35]" in text
    assert fitted(table, 80).columns[:4] == ("Norm", "n", "Train Acc", "Test Acc")
    assert "Test errors" not in fitted(table, 80).columns
    assert fitted(table, 140) == table


def test_columns_that_cannot_be_left_out_follow_in_blocks() -> None:
    lines = shown(GRID, "table", 60, terminal=True).splitlines()
    assert len([line for line in lines if line.split()[:1] == ["BN"]]) > 1


def test_answers_have_a_sign_and_a_word_and_stay_beside_it() -> None:
    sentence = "BN is 1.28 points above GN(4) [1.06, 1.50], p < 0.001, n = 10"
    answers = tuple(Answer(word, sentence) for word in ("real", "equivalent", "undecided", "no verdict"))
    table = replace(ODD, answers=answers)
    lines = shown(table, "table", 60, terminal=True).splitlines()[1:9]
    assert [line[:13].split() for line in lines[::2]] == [
        ["●", "real"],
        ["≈", "equivalent"],
        ["?", "undecided"],
        ["–", "no", "verdict"],
    ]
    assert all(line.startswith(" " * 14) for line in lines[1::2])
    ascii_lines = shown(table, "table", 100, terminal=True, encoding="ascii").splitlines()[1:5]
    assert [line[0] for line in ascii_lines] == ["*", "~", "?", "-"]


def test_markup_in_names_is_text() -> None:
    for terminal in (False, True):
        text = shown(ODD, "table", terminal=terminal)
        assert "[red]x_1" in text
        assert ":smile:" in text

"""Tables as aligned text and as Markdown."""

from tests.tables import ODD, shown, three_seeds


def test_piped_output_is_one_line_per_row() -> None:
    lines = shown(three_seeds(), "table", width=20).splitlines()
    (row,) = [line for line in lines if line.startswith("BN ")]
    assert "79.10 [78.85, 79.35]" in row
    assert row.split()[0:2] == ["BN", "3"]


def test_markdown_escapes_its_own_signs() -> None:
    lines = shown(ODD, "md").splitlines()
    assert lines[2].startswith("| Norm ")
    assert lines[3].startswith("|:---")
    assert lines[4].startswith(r"| =GN\|4 [red]x_1 |")
    assert len(lines[2]) == len(lines[3]) == len(lines[4])

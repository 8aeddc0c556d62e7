"""What all formats of a table share."""

import pytest
from rich.console import Console

from normbench.errors import ConfigError
from normbench.present.tables.render import FORMATS, render
from tests.tables import ODD, shown, three_seeds


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_prints_every_norm(format: str) -> None:
    text = shown(three_seeds(), format)
    assert "BN" in text
    assert "GN(4)" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("terminal", [False, True])
def test_every_format_can_be_printed_in_ascii(format: str, terminal: bool) -> None:
    text = shown(ODD, format, terminal=terminal, encoding="ascii")
    assert "GN" in text


def test_an_unknown_format_is_answered_with_the_known() -> None:
    with pytest.raises(ConfigError, match="unknown format 'jsn': did you mean 'json'"):
        render(ODD, "jsn", Console())

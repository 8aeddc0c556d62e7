"""Numbers on the command line that no machine could take are refused in one sentence, by every command."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from normbench.cli.limits import MOST_RUNS, MOST_SEED
from normbench.cli.main import app
from normbench.config.ranges import MAX_RUNS
from normbench.config.schema import MAX_SEED
from normbench.errors import NormbenchError
from tests.tiny import invoke

HUGE = 10**20
CHECKED_LATER = {"--groups", "--epochs", "--batch-size", "--batches"}
"""Options whose command knows what they may be."""


def number_options(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command with each option that takes a whole number."""
    for name, below in getattr(command, "commands", {}).items():
        yield from number_options(below, (*words, name))
    for option in command.params:
        if option.opts[0].startswith("--") and option.type_descriptor.annotation is int:
            yield *words, option.opts[0]


ALL = list(number_options(typer.main.get_command(app)))


def test_options_are_found() -> None:
    assert {("train", "--threads"), ("sweep", "--seeds"), ("bench", "--busy"), ("explain", "running", "--seed")} <= {
        *ALL
    }


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_huge_number_is_refused(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    *command, option = words
    norm = ["--norm", "gn"] if command == ["sweep"] else []
    result = invoke(*command, *norm, option, HUGE)
    if option in CHECKED_LATER:
        assert isinstance(result.exception, NormbenchError)
        assert str(HUGE) in str(result.exception)
    else:
        assert result.exit_code == 2
        assert f"Invalid value for '{option}" in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_limits_are_those_of_configs() -> None:
    assert (MOST_RUNS, MOST_SEED) == (MAX_RUNS, MAX_SEED)

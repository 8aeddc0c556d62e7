"""The flags that commands share, as overrides of a config."""

import re
from typing import get_args

import pytest
import typer

from normbench.cli import options
from normbench.cli.options import given, norm_overrides, recipe_overrides, set_overrides
from normbench.data.sources.registry import SOURCES


def test_the_help_of_data_names_every_source_or_one_of_its_kind() -> None:
    help_text = get_args(options.Data)[1].help
    assert all(re.split("[:-]", name)[0] in help_text for name in SOURCES)


def test_flags_that_were_not_given_change_nothing() -> None:
    assert (
        recipe_overrides(None, None, None, None, None, None) == norm_overrides(None, None) == set_overrides(None) == []
    )


def test_an_override_remembers_its_flag() -> None:
    assert norm_overrides("gn", 0) == [("norm.kind", "gn", "--norm gn"), ("norm.num_groups", 0, "--groups 0")]
    assert given(("seeds", [7], "--seed")) == [("seeds", [7], "--seed 7")]
    assert set_overrides(["train.lr = a=b"]) == [("train.lr", " a=b", "--set train.lr = a=b")]


def test_set_needs_a_key_and_a_value() -> None:
    with pytest.raises(typer.BadParameter, match="expected key=value"):
        set_overrides(["train.lr"])

"""Options that would change nothing are refused, with what they need."""

import pytest

from normbench.errors import ConfigError
from tests.tiny import invoke


@pytest.mark.parametrize(
    ("command", "option", "needed"),
    [
        ("sweep seeds --max-seeds 30", "--max-seeds", "--until-decided"),
        ("sweep seeds --groups 8", "--groups", "--norm"),
        ("verdict table.csv --delta 1 --max-seeds 5", "--max-seeds", "--sequential"),
        ("compare --caption text", "--caption", "--format latex"),
        ("compare --format md --label tab:mine", "--label", "--format latex"),
        ("norms --rounds 10", "--rounds", "--time"),
        ("norms gn --device cpu", "--device", "--time"),
        ("explain params -c default", "--config", "--model"),
        ("explain params --data cifar10", "--data", "--model"),
        ("explain tensor --seed 0", "--seed", "--shape"),
    ],
)
def test_an_option_without_what_it_is_for(command: str, option: str, needed: str) -> None:
    """Even with its default value: whoever writes it expects something of it."""
    error = invoke(*command.split()).exception
    assert isinstance(error, ConfigError)
    assert str(error) == f"{option} is for {needed} only: add that, or leave out {option}"


@pytest.mark.parametrize("option", ["--arm", "--metric"])
def test_a_wide_table_has_no_columns_of_arms_and_values(option: str) -> None:
    error = invoke("verdict", "table.csv", "--delta", 1, "--wide", option, "name").exception
    assert isinstance(error, ConfigError)
    assert str(error) == f"--wide takes no {option}: leave one of them out"


@pytest.mark.parametrize("option", ["--by x", "--figures f", "--all-pairs", "--where a=b", "--report r.html", "--runs"])
def test_two_runs_take_no_options_of_a_comparison(option: str) -> None:
    error = invoke("compare", "--mcnemar", "a", "b", *option.split()).exception
    assert isinstance(error, ConfigError)
    assert str(error) == f"--mcnemar takes no {option.split()[0]}: leave one of them out"

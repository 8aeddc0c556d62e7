"""All problems of a config are reported at once, in a message of bounded length, after bounded work."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from normbench.config import (
    load_experiment,
)
from normbench.config.problems import MAX_LINES, MAX_PROBLEMS, Problems
from normbench.config.tree import Place
from normbench.errors import ConfigError
from tests.config_fakes import FAKES, errors_of, experiment_errors_of, flags


def test_a_scope_tells_about_its_own_step() -> None:
    problems = Problems()
    problems.add(Place("a.yaml", 1), ("norm",), "is wrong")
    here = problems.scope()
    assert here.ok
    here.add(Place("a.yaml", 2), ("train", "epochs"), "is wrong too")
    assert not here.ok
    assert str(problems.error()) == "a.yaml, line 1: norm: is wrong\na.yaml, line 2: train.epochs: is wrong too"
    assert problems.concern("train")
    assert not problems.concern("epochs")


def test_all_errors_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """name: a/b
norm:
  kind: gn
  num_groups: many
  affine: maybe
train:
  epohcs: 3
  epochs: 30
  epochs: 40
  optimizer: {name: sgdd}
seeds: [1, -2]
data: !!python/none
"""
    found = errors_of(tmp_path, text, flags("train.batch_size=0"))
    keys = [re.sub(r"^my.yaml, line (\d+): (.*?): .*", r"\1 \2", line) for line in found if line.startswith("my.yaml")]
    assert keys == [
        "1 name",
        "4 norm.num_groups",
        "5 norm.affine",
        "7 train.epohcs",
        "8 train.epochs",
        "9 train.epochs",
        "10 train.optimizer.name",
        "11 seeds[1]",
        "12 data",
    ]
    assert "line 9: train.epochs: the key is given twice, first on line 8" in "\n".join(found)
    assert found[0] == "--set train.batch_size=0: train.batch_size: must be at least 1, found 0"


def test_a_message_stays_readable_however_much_is_wrong(tmp_path: Path) -> None:
    found = experiment_errors_of(tmp_path, "sweep: {train.epochs: {from: 1, to: 1000}}")  # 980 are over the budget
    assert len(found) == MAX_LINES + 1
    assert found[-1] == f"and {980 - MAX_LINES} problems more"


class CountingRegistry(Mapping[str, Callable[..., object]]):
    """A registry that counts how often a name is looked up: each validated config looks up each choice."""

    def __init__(self, functions: Mapping[str, Callable[..., object]]) -> None:
        self.functions, self.num_lookups = functions, 0

    def __getitem__(self, name: str) -> Callable[..., object]:
        self.num_lookups += 1
        return self.functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.functions)

    def __len__(self) -> int:
        return len(self.functions)


def test_the_search_for_problems_ends(tmp_path: Path) -> None:
    path, schedules = tmp_path / "my.yaml", CountingRegistry(FAKES["train.schedule"])
    path.write_text("sweep: {train.epochs: {from: -9999, to: 0}}")
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, {**FAKES, "train.schedule": schedules})
    assert str(caught.value).splitlines()[-1] == f"and {MAX_PROBLEMS + 1 - MAX_LINES} problems more"
    assert schedules.num_lookups <= 2 * (MAX_PROBLEMS + 1)  # of 10,000 configs

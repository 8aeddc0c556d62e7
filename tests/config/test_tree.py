"""Located values: where they are found, how large they are, and how their keys are written."""

from pathlib import PurePosixPath

import pytest

from normbench.config.tree import KeyPath, Located, Place, dotted, located

PLACE = Place("a.yaml", 3)
TREE = located({"data": {"augment": ["flip", {"name": "translate"}], "dir": PurePosixPath("a/b")}}, PLACE)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ((), ""),
        (("data", "augment", 1, "p"), "data.augment[1].p"),
        (("train.lr",), "'train.lr'"),
        (("a b", "c"), "'a b'.c"),
        (("",), "''"),
        (("x" * 100,), "x" * 57 + "..."),
    ],
)
def test_a_path_is_written_with_dots(path: KeyPath, written: str) -> None:
    assert dotted(path) == written


def test_plain_values_come_back() -> None:
    assert TREE.plain() == {"data": {"augment": ["flip", {"name": "translate"}], "dir": "a/b"}}
    assert TREE.size == 7


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("data", "augment", 1, "name"), "translate"),
        (("data", "augment", 0, "name"), "flip"),  # the innermost value on the way
        (("data", "augment", 2), ["flip", {"name": "translate"}]),
        (("data", "dir", "x", "y"), "a/b"),
    ],
)
def test_the_innermost_value_on_the_way_is_found(path: KeyPath, found: object) -> None:
    assert TREE.find(path).plain() == found


def test_a_place_is_a_file_with_a_line_or_a_flag() -> None:
    assert [str(place) for place in (PLACE, Place("--set a=1"))] == ["a.yaml, line 3", "--set a=1"]
    assert Located(1, PLACE).place.line == 3

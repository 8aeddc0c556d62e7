"""A choice's options: completed from the signature of the chosen function, checked against its annotations."""

from collections.abc import Callable
from typing import Any

import pytest

from normbench.config import Choice
from normbench.config.choices import options_of, resolve_choice
from normbench.config.problems import Problems
from normbench.config.tree import Place, located
from normbench.errors import ConfigError


def _plain(x: object, *, eps: float = 1e-5, size: tuple[int, int] = (1, 2), mode: str = "a") -> None: ...
def _switched(*, affine: bool = True, ws: bool = False, size: int | None = None) -> None: ...
def _needy(*, width: int) -> None: ...


class _NotImportable(dict[str, Callable[..., object]]):
    def __getitem__(self, name: str) -> Callable[..., object]:
        if name == "gone":
            raise ConfigError("gone: cannot be imported")
        return super().__getitem__(name)


REGISTRY = _NotImportable({"plain": _plain, "switched": _switched, "needy": _needy, "gone": _needy})


def resolve(value: Any) -> tuple[Choice | None, list[str]]:
    problems = Problems()
    found = resolve_choice(located(value, Place("f")), ("norm",), "norm", "kind", REGISTRY, problems)
    return found, [str(problem).removeprefix("f: ") for problem in problems.found]


def test_options_are_the_keyword_only_parameters_in_their_order() -> None:
    assert list(options_of(_plain)) == ["eps", "size", "mode"]


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        ("plain", Choice("plain", {"eps": 1e-5, "size": (1, 2), "mode": "a"})),
        ({"kind": "plain", "eps": 1, "size": [3, 4]}, Choice("plain", {"eps": 1.0, "size": (3, 4), "mode": "a"})),
        ({"kind": "needy", "width": 3}, Choice("needy", {"width": 3})),
    ],
)
def test_a_choice_is_complete(value: Any, choice: Choice) -> None:
    assert resolve(value) == (choice, [])


def test_an_option_that_is_off_by_default_stands_only_where_it_is_on() -> None:
    """A later version may add a switch: configs that were resolved before it stay equal."""
    off, on = Choice("switched", {"affine": True}), Choice("switched", {"affine": False, "ws": True})
    assert resolve("switched") == (off, [])
    assert resolve({"kind": "switched", "ws": False, "size": None}) == (off, [])
    assert resolve({"kind": "switched", "ws": True, "affine": False}) == (on, [])
    assert resolve({"kind": "switched", "size": 0}) == (Choice("switched", {"affine": True, "size": 0}), [])


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ("needy", ["norm: needy needs the option 'width'"]),
        ("gone", ["norm: gone: cannot be imported"]),
        (
            {"kind": "plain", "epz": 1},
            ["norm.epz: unknown plain option 'epz': did you mean 'eps'? known: eps, size, mode"],
        ),
        (
            {"kind": "plain", "ws": True, "mode": 3},
            [
                "norm.ws: unknown plain option 'ws': known: eps, size, mode; norm switched has 'ws'",
                "norm.mode: must be text, found 3",
            ],
        ),
        ({"eps": 1}, ["norm: the key 'kind' is missing; it names the norm: plain, switched, needy, gone"]),
    ],
)
def test_all_that_is_wrong_with_a_choice_is_told(value: Any, problems: list[str]) -> None:
    assert resolve(value) == (None, problems)

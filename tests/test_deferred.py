"""A deferred function has the options and the docstring that the function itself has."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from normbench import deferred
from normbench.norms.registry import NORMS
from normbench.runs.registries import REGISTRIES

KEYS = ["model", "data.source", "data.augment", "train.optimizer", "train.schedule"]
FUNCTIONS = {f"{key} {name}": function for key in KEYS for name, function in REGISTRIES[key].items()} | {
    f"norm {name}": function for name, function in NORMS.items()
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_what_is_read_from_the_source_is_what_the_module_has(function: Callable[..., object]) -> None:
    if function.__module__ != deferred.__name__:
        return  # a schedule, whose module is light
    found = inspect.getclosurevars(function).nonlocals
    itself = getattr(import_module(found["module"]), found["name"])
    parameters = inspect.signature(itself, eval_str=True).parameters.values()
    options = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    assert list(inspect.signature(function, eval_str=True).parameters.values()) == options
    assert inspect.getdoc(function) == inspect.getdoc(itself)


def test_a_call_passes_everything_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_area.py").write_text("def area(width, *, height: float = 2.0):\n    return width * height\n")
    monkeypatch.syspath_prepend(tmp_path)
    area = deferred.deferred("lazy_area", "area")
    assert area(3) == 6
    assert area(3, height=5.0) == 15


def test_an_option_of_another_form_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd_options.py").write_text("def odd(*, sizes: list = None): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyError, match="list"):
        deferred.deferred("odd_options", "odd")

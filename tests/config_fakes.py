"""Small registries for the tests of the config, and what loads a text or reads its errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from normbench.config import Config, Experiment, Registry, load_config, load_experiment
from normbench.errors import ConfigError


def _bn(*, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True) -> None: ...
def _gn(*, num_groups: int = 4, eps: float = 1e-5, affine: bool = True) -> None: ...
def _none() -> None: ...
def _odd(
    *, size: tuple[int, int] = (2, 3), mode: Literal["a", "b"] = "a", label: str = "x", whole: float = 1
) -> None: ...
def _needy(*, width: int) -> None: ...
def _reference(norm: object, num_classes: int, *, dropout: float = 0.0) -> None: ...
def _sgd(
    model: object, *, lr: float = 0.1, momentum: float = 0.9, nesterov: bool = True, weight_decay: float = 2e-4
) -> None: ...
def _muon(
    model: object,
    *,
    lr: float = 0.04,
    momentum: float = 0.6,
    sgd_lr: float = 0.1,
    sgd_momentum: float = 0.9,
    weight_decay: float = 2e-4,
) -> None: ...
def _adam(model: object, *, lr: float = 1e-3) -> None: ...
def _linear(*, warmup: float = 0.2) -> None: ...
def _step(*, step_size: int = 8, gamma: float = 0.1) -> None: ...
def _flip(images: object, generator: object, *, p: float = 0.5) -> None: ...
def _translate(images: object, generator: object, *, pixels: int = 2) -> None: ...
def _randaugment(images: object, generator: object, *, p: float = 0.25) -> None: ...


FAKES: Mapping[str, Registry] = {
    "norm": {"bn": _bn, "gn": _gn, "none": _none, "odd": _odd, "needy": _needy},
    "model": {"reference": _reference},
    "data.source": {"cifar10": _none, "folder": _none, "synthetic": _none},
    "data.augment": {"flip": _flip, "translate": _translate, "randaugment": _randaugment},
    "train.optimizer": {"sgd": _sgd, "muon": _muon, "adam": _adam},
    "train.schedule": {"linear": _linear, "step": _step, "constant": _none},
}

Overrides = list[tuple[str, Any, str]]


def flags(*pairs: str) -> Overrides:
    return [(*pair.split("=", 1), f"--set {pair}") for pair in pairs]  # type: ignore[misc]


def load_text(folder: Path, text: str, overrides: Overrides | None = None) -> Config:
    path = folder / "my.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, FAKES, overrides or [])


def experiment_text(folder: Path, text: str, overrides: Overrides | None = None) -> Experiment:
    path = folder / "my.yaml"
    path.write_text(text, encoding="utf-8")
    return load_experiment(path, FAKES, overrides or [])


def experiment_errors_of(folder: Path, text: str, overrides: Overrides | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        experiment_text(folder, text, overrides)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def errors_of(folder: Path, text: str, overrides: Overrides | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(folder, text, overrides)
    return str(caught.value).replace(f"{folder}/", "").splitlines()

"""The schema of a config: types, ranges and defaults.

The defaults of a choice's options stand in the signature of the chosen function, all others here; a test holds
`configs/default.yaml` to them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from normbench.config.tree import Exponent, KeyPath, dotted
from normbench.files import PUBLISHED
from normbench.text import UNPRINTABLE

Registry = Mapping[str, Callable[..., object]]
"""name -> function; the function's keyword-only parameters are the options of the name."""

MAX_SEED = 2**63 - 1
MAX_LISTED = 100  # items of a list: a config with all defaults written out must stay small enough to be read back
MAX_COUNT = 1_000_000_000  # epochs, images, parameters: products of larger counts may overflow
MAX_FLOAT = 3e38  # the largest float32, in which networks compute

# The keys whose values are chosen from a registry, each with the inner key that holds the name when it is written.
# Read are both of LABELS.
CHOICES: Mapping[KeyPath, str] = {
    ("norm",): "kind",
    ("model",): "name",
    ("train", "optimizer"): "name",
    ("train", "schedule"): "name",
}
# The keys of a file that describe many runs; the config of one run has none of them.
EXPERIMENT_KEYS = ("sweep", "exclude", "tune")
LABELS = ("kind", "name")
AUGMENT = ("data", "augment")
SOURCE = ("data", "source")

UNWRITTEN = object()
"""Marks a key that `to_dict` leaves out while it has its default, so that older runs keep their ids and records."""

KeyProblem = tuple[KeyPath, str]
"""A key and why its value cannot be used, although the value's type and name are right."""


@dataclass(frozen=True)
class Choice:
    """A name from a registry with its options. `load_config` completes them, except for switches that are off."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _as_written(value: Any) -> Any:
    return value.text if isinstance(value, Exponent) else value


def _list_as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _text_as_tuple(value: Any) -> Any:
    """`pdf` stands for `[pdf]`."""
    return (value,) if isinstance(value, str) else _list_as_tuple(value)


def _square(value: Any) -> Any:
    """`32` stands for `[32, 32]`."""
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else _list_as_tuple(value)


def _without_controls(text: str) -> str:
    if UNPRINTABLE.search(text):
        raise ValueError("must hold no control characters or line breaks")
    return text


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError(
            "must be 1 to 64 letters (a-z, A-Z), digits, '.', '_' or '-' and begin with a letter or digit, "
            "because it names a folder"
        )
    if name == PUBLISHED:
        raise ValueError("must be another name, as compare passes over folders of this one, which hold published runs")
    return name


def _some_and_unique(seeds: tuple[int, ...]) -> tuple[int, ...]:
    twice = [seed for index, seed in enumerate(seeds) if seed in seeds[:index]]
    if twice:
        raise ValueError(f"each seed may stand only once, and {twice[0]} stands twice")
    if not seeds:
        raise ValueError("must hold at least one seed")
    return seeds


Text = Annotated[str, BeforeValidator(_as_written), AfterValidator(_without_controls)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Side = Annotated[int, Field(ge=1, le=1024)]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class DataConfig(_Section):
    """The images, their augmentation, and the split on which a run is evaluated."""

    source: Text = "cifar10"
    dir: Text | None = None
    urls: Annotated[tuple[Text, ...], BeforeValidator(_list_as_tuple), Field(max_length=MAX_LISTED)] = ()
    augment: Annotated[tuple[Choice, ...], Field(max_length=MAX_LISTED)] = (Choice("flip"), Choice("translate"))
    evaluate_on: Literal["test", "val"] = "test"
    also_test: Annotated[Text | None, UNWRITTEN] = None
    resize: Annotated[tuple[Side, Side] | None, BeforeValidator(_square), UNWRITTEN] = None
    held_out: Annotated[float, Field(gt=0, lt=1), UNWRITTEN] = 0.2
    name: Annotated[Text | None, UNWRITTEN] = None


class TrainConfig(_Section):
    """How a network is trained."""

    epochs: Count = 20
    batch_size: Count = 64
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    optimizer: Choice = Choice("muon")
    schedule: Choice = Choice("linear")
    label_smoothing: Annotated[float, Field(ge=0, lt=1), UNWRITTEN] = 0.0
    clip_grad_norm: Annotated[float | None, Field(gt=0, le=MAX_FLOAT), UNWRITTEN] = None
    engine: Annotated[Literal["auto", "kernels", "eager", "compile"], UNWRITTEN] = "auto"


class Budget(_Section):
    """The limits of every run; None lifts a limit."""

    max_parameters: Count | None = 49_999
    max_epochs: Count | None = 20


class Pictures(_Section):
    """How a run's pictures are drawn: in which formats, how wide in inches, and the grid of misclassified images."""

    formats: Annotated[tuple[Literal["png", "svg", "pdf"], ...], BeforeValidator(_text_as_tuple)] = ("png",)
    width: Annotated[float, Field(ge=2.5, le=30)] | None = None
    title: bool = True

    rows: Annotated[int, Field(ge=1, le=20)] = 2
    columns: Annotated[int, Field(ge=1, le=20)] = 5
    choose: Literal["random", "confident"] = "random"


class Config(_Section):
    """One norm, one model, one recipe, and the seeds to train it with."""

    name: Annotated[Text, AfterValidator(_folder_name)] = "default"
    norm: Choice = Choice("bn")
    model: Choice = Choice("reference")
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(_list_as_tuple), AfterValidator(_some_and_unique)] = (0,)
    budget: Budget = Budget()
    pictures: Pictures = Pictures()

    @property
    def seed(self) -> int:
        """The first seed; the config of one run has no other."""
        return self.seeds[0]

    def for_seed(self, seed: int) -> "Config":
        """The config of the run with this seed."""
        return self.model_copy(update={"seeds": (seed,)})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for YAML or JSON. Written to a file, `load_config` reads an equal config from it."""
        plain: dict[str, Any] = _plain(self, ())
        return plain

    def value(self, key: str) -> Any:
        """The plain value of a dotted key, also of one that `to_dict` leaves out; a switch that is off is False."""
        found: Any = self.to_dict()
        for part in key.split("."):
            if part not in found:
                return OFF.get(key, False)
            found = found[part]
        return found


SECTIONS: Mapping[KeyPath, type[_Section]] = {
    (): Config,
    ("data",): DataConfig,
    ("train",): TrainConfig,
    ("budget",): Budget,
    ("pictures",): Pictures,
}

OFF: Mapping[str, Any] = {
    dotted((*path, key)): field.default
    for path, section in SECTIONS.items()
    for key, field in section.model_fields.items()
    if UNWRITTEN in field.metadata
}
"""By dotted key, the value that a written config without the key has."""


def _plain(value: Any, path: KeyPath) -> Any:
    if isinstance(value, BaseModel):
        return {
            key: _plain(getattr(value, key), (*path, key))
            for key, field in type(value).model_fields.items()
            if UNWRITTEN not in field.metadata or getattr(value, key) != field.default
        }
    if isinstance(value, Choice):
        return {CHOICES.get(path, "name"): value.name, **{key: _plain(item, ()) for key, item in value.options.items()}}
    if isinstance(value, Mapping):
        return {key: _plain(item, path) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item, path) for item in value]
    return value

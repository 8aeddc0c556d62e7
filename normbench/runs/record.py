"""`run.json`: all that a finished or diverged run is remembered by. No torch here: `compare` reads a thousand."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from normbench.data.known import KNOWN
from normbench.runs.schema import (
    Counts,
    Document,
    FactLists,
    Facts,
    Fraction,
    Fractions,
    Loss,
    Number,
    Numbers,
    Part,
    Seconds,
    Texts,
    Whole,
    Wholes,
    expected,
    flaw,
)
from normbench.text import printable

Split = Literal["test", "val"]


class Data(Part):
    """The images that the run saw."""

    source: str
    """`cifar10`, `folder` or another source's name."""
    name: str | None = None
    """What tables and figures call the data; None in records of older versions."""
    fingerprint: str
    """A digest of all images and labels, in hexadecimal."""
    classes: Texts = ()
    """Names by class index."""
    num_train: Whole
    """Images that the run trained on."""
    num_eval: Whole
    """Images that the run was evaluated on."""
    evaluated_on: Split
    """`test`, or `val` for images held out of the training set."""
    num_eval_in_train: Whole | None = None
    """Evaluated images that the run trained on too, pixel by pixel; None in records of older versions."""
    image_shape: Wholes | None = None
    """[C, H, W]; None in records of older versions, whose images are [3, 32, 32]."""
    mean: Numbers | None = None
    """By channel: pixels / 255 are normalized by (x - mean) / std. None in records of older versions: CIFAR-10's."""
    std: Numbers | None = None
    held_out: Fraction | None = None
    """The share of the source's training images that the test images are; None where the source has a test split."""

    @property
    def called(self) -> str:
        """What tables call the data: by their name, else as well-known data are called, else by their source."""
        known = KNOWN.get(self.fingerprint)
        return printable(self.name or (known.name if known else f"{self.source} data"))

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        return {key: value for key, value in found.items() if value is not None}


class Model(Part):
    """The network that was trained. The norm layers are counted on the network itself, not taken from the config."""

    num_parameters: Whole
    """Trainable parameters."""
    norm_layers: Counts
    """Number of layers by class name."""
    norm_parameters: Whole | None = None
    """Trainable parameters of the norm layers."""
    norm_buffers: Whole | None = None
    """Values that the norm layers store besides, such as running statistics."""
    macs: Whole | None = None
    """Multiply-adds of one image's forward pass."""
    warnings: Texts = ()
    """Lines about what is unusual in a network from outside; not written where there are none."""

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        return {key: value for key, value in found.items() if key != "warnings" or value}


class TrainMetrics(Part):
    """Running means over the last epoch, in training mode."""

    loss: Loss
    accuracy: Fraction


class HeldOutMetrics(Part):
    """On the test or val images, after the last epoch."""

    loss: Loss
    accuracy: Fraction
    errors: Whole
    """Images classified wrongly."""


class Metrics(Part):
    """Metrics of the last epoch; nothing is selected from the epochs before.

    `run.json` has them side by side: `train_loss`, ..., and `test_loss` or `val_loss`, ...
    """

    train: TrainMetrics
    held_out: HeldOutMetrics

    def by_key(self, split: str) -> dict[str, int | float]:
        """The metrics as `run.json` names them, without those that the run did not measure."""
        found = {key: getattr(getattr(self, part), name) for key, (part, name) in _metric_fields(split).items()}
        return {key: value for key, value in found.items() if value is not None}


@cache
def _metric_fields(split: str) -> dict[str, tuple[str, str]]:
    """By key in `run.json`: the field of Metrics, and the field within it."""
    parts = (("train", "train", TrainMetrics), (split, "held_out", HeldOutMetrics))
    return {f"{prefix}_{name}": (part, name) for prefix, part, model in parts for name in model.model_fields}


class Statistics(Part):
    """Accuracy on the held-out images by the statistics that batch norm uses; None for norms that store none."""

    running: Fraction
    """With the running statistics, as in evaluation mode."""
    batch: Fraction
    """With the statistics of each evaluated batch."""
    precise: Fraction
    """With the statistics of all training images."""
    batch_size: Whole | None = None
    """Images in an evaluated batch."""
    precise_augmented: bool = False
    """Whether the images of `precise`, and those of the norm `pn`, were augmented as in training.

    Older versions took them as they are, and their records have no such key: False is written as they wrote it.
    """

    @model_serializer(mode="wrap")
    def _without_false(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        return {key: value for key, value in found.items() if key != "precise_augmented" or value}


class AlsoTest(Part):
    """Accuracy on further test images, of the final weights."""

    name: str
    """What the images are called, such as `CIFAR-10-C`."""
    fingerprint: str
    """A digest of all images and labels, in hexadecimal."""
    num_images: Whole
    """Images that the accuracy is over."""
    accuracy: Fraction
    """Over all corruptions but those that are set aside for validation."""
    by_corruption: Fractions | None = None
    """None for images that have no corruptions."""


class Diverged(Part):
    """The step whose loss was not finite."""

    epoch: Whole
    """From 1."""
    step: Whole
    """Within the epoch, from 1."""
    loss: str
    """`nan`, `inf` or `-inf`."""


class Timing(Part):
    """Wall-clock times."""

    train_s: Seconds
    """Of all epochs, evaluation left out."""
    eval_s: Seconds
    """Of all evaluations."""
    train_s_per_epoch: Seconds | None = None
    """Median over the epochs; None where the first one diverged."""
    eval_s_per_epoch: Seconds | None = None
    """Median over the epochs."""
    images_per_s: Number | None = None
    """In training, median over the epochs."""
    peak_memory_bytes: Whole | None
    """Of the GPU's allocator; on the CPU, of the process; None where the system does not tell it."""


class Record(Document):
    """A run that is over. Its norm, seed and setting stand in `config`, as the run's `config.yaml` has them."""

    run_id: str
    """The name of the run's folder."""
    experiment: str
    status: Literal["finished", "diverged"]
    label: str
    """The norm as tables show it, e.g. `GN(4)`."""
    seed: int
    config: dict[str, Any]
    """Checked when the run was begun; another version of normbench, or a plugin, may have other keys."""
    data: Data
    model: Model
    metrics: Metrics | None
    """None exactly if the run diverged; `run.json` then has null for each metric."""
    statistics: Statistics | None = None
    also_test: AlsoTest | None = None
    """None without `data.also_test`, and then not written, as older versions did not."""
    diverged: Diverged | None = None
    """None for a run that did not diverge."""
    timing: Timing
    device: str
    """`cpu` or `cuda`."""
    precision: str
    """The precision that was used: `fp32` or `bf16`."""
    engine: str = "kernels"
    """Who computed the network, see `train.engine`; `kernels`, where the kernels fit, is not written."""
    git_commit: str | None = None
    """Of the checkout that normbench ran from, `-dirty` at its end if files differ; None for an installed package."""
    environment: Facts
    """Versions of the libraries, processor, threads: what may change bits besides config, data and precision."""
    environment_changes: FactLists = Field(default_factory=dict)
    """By key of the environment, the values one after the other if a resumed run had several."""
    started_at: str | None = None
    """ISO 8601."""
    finished_at: str
    """ISO 8601."""
    resumed_at_epoch: Whole | None = None
    """From 1; None for a run that was never interrupted."""

    way_back: ClassVar[str] = "train the run again"

    @property
    def norm(self) -> Mapping[str, Any]:
        """`kind` and the options, as in the config."""
        norm = self.config.get("norm")
        return norm if isinstance(norm, Mapping) else {"kind": norm}

    @property
    def config_digest(self) -> str:
        """Equal for two records exactly if their configs are, seed and norm included."""
        text = json.dumps(self.config, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def num_epochs(self) -> int | None:
        """Planned epochs; None if the config does not say."""
        train = self.config.get("train")
        epochs = train.get("epochs") if isinstance(train, dict) else None
        return epochs if isinstance(epochs, int) else None

    @property
    def metrics_by_key(self) -> dict[str, int | float]:
        """The metrics as `run.json` names them; empty for a run that diverged."""
        return {} if self.metrics is None else self.metrics.by_key(self.data.evaluated_on)

    @classmethod
    def key_of(cls, location: tuple[int | str, ...], content: Mapping[str, Any]) -> str:
        if location[:1] == ("metrics",) and len(location) == 3:
            keys = {field: key for key, field in _metric_fields(content["data"]["evaluated_on"]).items()}
            location = ("metrics", keys[str(location[1]), str(location[2])])
        return super().key_of(location, content)

    @field_validator("metrics", mode="before")
    @classmethod
    def _nest_metrics(cls, found: Any, info: ValidationInfo) -> Any:
        if isinstance(found, Metrics) or not {"status", "data"} <= info.data.keys():  # the latter: an error already
            return found
        if info.data["status"] == "diverged":
            return None
        if not isinstance(found, dict):
            raise expected("a mapping", found)
        nested: dict[str, dict[str, Any]] = {"train": {}, "held_out": {}}
        for key, (part, name) in _metric_fields(info.data["data"].evaluated_on).items():
            if key in found:
                nested[part][name] = found[key]
        return nested

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        off = {"also_test": None, "engine": "kernels"}
        return {key: value for key, value in found.items() if key not in off or value != off[key]}

    @field_serializer("metrics")
    def _flatten_metrics(self, metrics: Metrics | None) -> dict[str, int | float | None]:
        split = self.data.evaluated_on
        return dict.fromkeys(_metric_fields(split)) if metrics is None else {**metrics.by_key(split)}

    @model_validator(mode="after")
    def _check_errors(self) -> "Record":
        if self.metrics is None:
            return self
        split, held_out = self.data.evaluated_on, self.metrics.held_out
        if abs(held_out.errors - (1 - held_out.accuracy) * self.data.num_eval) > 0.51:
            raise flaw(
                f"contradicts itself: metrics.{split}_accuracy is {held_out.accuracy}, metrics.{split}_errors "
                f"{held_out.errors} of {self.data.num_eval:,} images"
            )
        return self

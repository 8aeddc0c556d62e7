"""The names that a config may choose from. They and their options are known without torch."""

from collections.abc import Callable, Mapping

from normbench.data.augment.registry import AUGMENTATIONS
from normbench.data.sources.registry import SOURCES
from normbench.models.registry import MODEL_REGISTRY, model_registry
from normbench.norms import NORM_REGISTRY, norm_registry
from normbench.train.optimizers.registry import OPTIMIZERS
from normbench.train.schedules import SCHEDULES

REGISTRIES: Mapping[str, Mapping[str, Callable[..., object]]] = {
    "norm": NORM_REGISTRY,
    "model": MODEL_REGISTRY,
    "data.source": SOURCES,
    "data.augment": AUGMENTATIONS,
    "train.optimizer": OPTIMIZERS,
    "train.schedule": SCHEDULES,
}


def registries(*, plugins: bool) -> Mapping[str, Mapping[str, Callable[..., object]]]:
    """REGISTRIES; without `plugins` code from outside of normbench is refused, and never imported."""
    return {**REGISTRIES, "norm": norm_registry(plugins=plugins), "model": model_registry(plugins=plugins)}

"""Networks by name."""

from collections.abc import Callable

from torch import nn

from normbench.models.reference import reference

MODELS: dict[str, Callable[..., nn.Module]] = {"reference": reference}

"""A norm's name and options -> a factory of normalization layers."""

from normbench.norms.aliases import resolve_norm
from normbench.norms.label import norm_folder_name, norm_label
from normbench.norms.lookup import NORM_REGISTRY, NORM_REGISTRY_NO_PLUGINS, NormRegistry, norm_registry
from normbench.norms.registry import NORMS

__all__ = [
    "NORMS",
    "NORM_REGISTRY",
    "NORM_REGISTRY_NO_PLUGINS",
    "NormRegistry",
    "norm_folder_name",
    "norm_label",
    "norm_registry",
    "resolve_norm",
]

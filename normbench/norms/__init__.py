"""A norm's name and options -> a factory of normalization layers."""

from normbench.norms.label import norm_label
from normbench.norms.registry import NORM_LAYERS, NORMS, ChannelCountError, NormFactory

__all__ = ["NORMS", "NORM_LAYERS", "ChannelCountError", "NormFactory", "norm_label"]

"""A norm's name and options -> a factory of normalization layers."""

from normbench.norms.conv import Conv2d
from normbench.norms.factory import ChannelCountError, NormFactory
from normbench.norms.label import norm_folder_name, norm_label
from normbench.norms.lookup import SHELF
from normbench.norms.registry import NORMS

__all__ = ["NORMS", "SHELF", "ChannelCountError", "Conv2d", "NormFactory", "norm_folder_name", "norm_label"]

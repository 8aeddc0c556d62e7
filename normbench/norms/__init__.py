"""A norm's name and options -> a factory of normalization layers."""

from normbench.norms.factory import ChannelCountError, NormFactory
from normbench.norms.label import norm_folder_name, norm_label
from normbench.norms.lookup import OUR_SHELF, SHELF, Shelf
from normbench.norms.registry import NORMS

__all__ = [
    "NORMS",
    "OUR_SHELF",
    "SHELF",
    "ChannelCountError",
    "NormFactory",
    "Shelf",
    "norm_folder_name",
    "norm_label",
]

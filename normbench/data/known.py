"""Data sets that are known by their content: what they are called, and the constants that they are normalized with."""

from collections.abc import Mapping
from dataclasses import dataclass

from normbench.data.normalization import CIFAR10_CONSTANTS, Normalization


@dataclass(frozen=True)
class Known:
    """A well-known data set."""

    name: str
    normalization: Normalization


KNOWN: Mapping[str, Known] = {
    "f767a38cbcdfeae8057263cc29e320658b00b715c36cdd0901bcd2319336b196": Known(
        "CIFAR-10 (99.8% pixel-exact)", CIFAR10_CONSTANTS
    ),
    "d52ab3b6590d0361459220432ee7ac1fe590ae71c4bb8700a7ec12bbdcd9e59c": Known(
        "CIFAR-10 (JPEG copy)", CIFAR10_CONSTANTS
    ),
}
"""By fingerprint. Of the first, a folder of PNG files, 59,889 of the 60,000 images have the official pixels."""

"""How pixels become a network's inputs: the mean and the standard deviation of each channel."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor  # slow to import, and `compare` needs the constants only

IMAGES_AT_ONCE = 1000


@dataclass(frozen=True)
class Normalization:
    """x = (pixel / 255 - mean) / std, with a mean and a std for each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def scale(self) -> list[float]:
        """By channel: x = scale * pixel + offset."""
        return [1 / (255 * std) for std in self.std]

    @property
    def offset(self) -> list[float]:
        """By channel: x = scale * pixel + offset."""
        return [-mean / std for mean, std in zip(self.mean, self.std, strict=True)]


CIFAR10_CONSTANTS = Normalization((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))
"""CIFAR-10's, as they are commonly rounded."""


def measure(images: "Tensor") -> Normalization:
    """Mean and standard deviation over all pixels of uint8 images [N, C, H, W], to four digits.

    They are computed from whole counts of pixel values, so every machine finds the same. A channel in which all pixels
    are equal gets the std 1.
    """
    found = [_moments(_histogram(images[:, channel])) for channel in range(images.shape[1])]
    return Normalization(tuple(mean for mean, _ in found), tuple(std for _, std in found))


def _histogram(plane: "Tensor") -> list[int]:
    """How many pixels of uint8 [N, H, W] have each value, from 0 to 255."""
    blocks = [block.flatten().bincount(minlength=256) for block in plane.split(IMAGES_AT_ONCE)]
    return [sum(counts) for counts in zip(*(block.tolist() for block in blocks), strict=True)]


def _moments(histogram: list[int]) -> tuple[float, float]:
    count = sum(histogram)
    total = sum(value * number for value, number in enumerate(histogram))
    squares = sum(value**2 * number for value, number in enumerate(histogram))
    deviation = math.sqrt(count * squares - total**2) / count
    return _rounded(total / count / 255), _rounded(deviation / 255) or 1.0


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")

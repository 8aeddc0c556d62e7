"""What an augmentation is, and the checks of options that several share.

An augmentation has two steps: a draw on the CPU, and its application on any device. Draws use the generator that is
passed and never torch's global random state. Applications are made of operations that round alike on every device. So
an augmentation gives the same images everywhere, and the draws of many batches can be made ahead and applied at once.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from normbench.errors import ConfigError
from normbench.text import unknown_name


@dataclass(frozen=True)
class Augmentation:
    """`draw`: (shape [B, C, H, W], generator) -> the random choices for each image, a tensor [B, ...] on the CPU.

    `apply`: (images, their draws) -> new images of the same shape and device. Images and draws of several batches may
    be concatenated. `draw` raises ConfigError for a shape that the options do not fit.
    `mix_labels`: (labels as probabilities float32 [B, K], the draws) -> those of the new images, for an augmentation
    that mixes images of a batch. None for all others, which leave the labels as they are.
    """

    draw: Callable[[torch.Size, torch.Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]
    mix_labels: Callable[[Tensor, Tensor], Tensor] | None = None

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draws and applies for one batch."""
        return self.apply(images, self.draw(images.shape, generator))


def check_fits(augment: Augmentation, image_shape: tuple[int, int, int]) -> None:
    """Raises ConfigError if the augmentation's options do not fit images of this shape, (C, H, W)."""
    augment.draw(torch.Size((1, *image_shape)), torch.Generator())


def check_probability(name: str, p: float) -> None:
    """Raises ConfigError for a probability outside 0..1; `name` is the augmentation's."""
    if not 0 <= p <= 1:
        raise ConfigError(f"{name}: p is {p}, allowed is a probability in 0..1")


def check_range(name: str, option: str, value: float, least: float, most: float, of: str = "") -> None:
    """Raises ConfigError for an option outside least..most; `of` says what the limits belong to."""
    if not least <= value <= most:
        raise ConfigError(f"{name}: {option} is {value}, allowed is {least}..{most}{of}")


def check_pixels(name: str, option: str, value: int, least: int, most: int, shape: torch.Size) -> None:
    """As `check_range`, for an option in pixels of images of `shape`, [B, C, H, W]."""
    check_range(name, option, value, least, most, f" for images of {shape[2]}x{shape[3]}")


def check_fill(name: str, option: str, value: int) -> None:
    """Raises ConfigError for a value that no pixel can have."""
    check_range(name, option, value, 0, 255)


def check_name(name: str, option: str, value: str, known: Collection[str]) -> None:
    """Raises ConfigError for a word that the option does not take."""
    if value not in known:
        raise ConfigError(f"{name}: {unknown_name(option, value, known)}")

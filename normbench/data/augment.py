"""Augmentations of uint8 images [B, C, H, W] in two steps: a draw on the CPU, and its application on any device.

The keyword-only parameters of a registered function are the options that a config may set. Draws use the CPU generator
that is passed and never torch's global random state. So an augmentation gives the same images on every device, and the
draws of many batches can be made ahead and applied at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from normbench.errors import ConfigError


@dataclass(frozen=True)
class Augmentation:
    """`draw`: (shape [B, C, H, W], generator) -> the random choices for each image, int64 or bool [B, ...] on the CPU.

    `apply`: (images, their draws) -> new images of the same shape and device. Images and draws of several batches may
    be concatenated. `draw` raises ConfigError for a shape that the options do not fit.
    """

    draw: Callable[[torch.Size, torch.Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draws and applies for one batch."""
        return self.apply(images, self.draw(images.shape, generator))


def flip(*, p: float = 0.5) -> Augmentation:
    """Mirror each image left to right with probability p. Raises ConfigError for p outside 0..1."""
    _check_probability("flip", p)
    return Augmentation(lambda shape, generator: torch.rand(shape[0], generator=generator) < p, _mirror)


def translate(*, pixels: int = 2) -> Augmentation:
    """Shift each image by -pixels..pixels, drawn uniformly for each axis; pixels from outside are 0 (black).

    Raises ConfigError when `pixels` is not within 0..min(H, W) - 1.
    """

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        height, width = shape[2:]
        largest = min(height, width) - 1
        if not 0 <= pixels <= largest:
            raise ConfigError(f"translate: pixels is {pixels}, allowed is 0..{largest} for images of {height}x{width}")
        return torch.randint(0, 2 * pixels + 1, (2, shape[0]), generator=generator).T

    return Augmentation(draw, lambda images, drawn: _shift(images, drawn, pixels))


def randaugment(*, p: float = 0.25) -> Augmentation:
    """torchvision's RandAugment with its defaults (2 operations, magnitude 9) on each image with probability p.

    Operations are drawn for each image, as in a loader's transform. Source: Cubuk et al., RandAugment (2019).
    Raises ConfigError for p outside 0..1.
    """
    _check_probability("randaugment", p)

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        from normbench.data.randaugment import draw  # imports torchvision, which is slow

        return draw(shape[0], generator, p)

    def apply(images: Tensor, drawn: Tensor) -> Tensor:
        from normbench.data.randaugment import apply

        return apply(images, drawn)

    return Augmentation(draw, apply)


def _mirror(images: Tensor, chosen: Tensor) -> Tensor:
    # A mask of all bits for the mirrored images: selecting bytes by bit masks is 5 times as fast as torch.where.
    mask = chosen.to(torch.uint8).neg().to(images.device).view(-1, 1, 1, 1)
    return images ^ ((images ^ images.flip(3)) & mask)


def _shift(images: Tensor, drawn: Tensor, pixels: int) -> Tensor:
    batch, channels, height, width = images.shape
    if batch == 0 or pixels == 0:
        return images.clone()
    down, right = drawn.to(images.device).T.unsqueeze(2).unsqueeze(3)
    padded = F.pad(images.contiguous(), (pixels,) * 4)
    padded_height, padded_width = padded.shape[2:]
    # A row of the result is `width` neighbouring bytes of `padded`. Copying rows by their start is 3 times as fast as
    # indexing pixels or windows.
    starts = padded.view(-1).as_strided((padded.numel() - width + 1, width), (1, 1))
    plane = torch.arange(batch * channels, device=images.device).view(batch, channels, 1)
    row = plane * padded_height + down + torch.arange(height, device=images.device)
    start = row * padded_width + right
    return starts.index_select(0, start.view(-1)).view(images.shape)


def _check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ConfigError(f"{name}: p is {p}, allowed is a probability in 0..1")

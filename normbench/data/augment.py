"""Augmentations: uint8 images [B, C, H, W] and an explicit generator in, new images of the same shape and device out.

Keyword-only parameters are the options a config may set. Every draw comes from the CPU generator that is passed, so an
augmentation gives the same images on every device; torch's global random state stays as it was.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from normbench.errors import ConfigError

Augmentation = Callable[..., Tensor]


def flip(images: Tensor, generator: torch.Generator, *, p: float = 0.5) -> Tensor:
    """Mirror each image left to right with probability p."""
    _check_probability("flip", p)
    chosen = torch.rand(len(images), generator=generator) < p
    # All bits set where mirrored: picking between two byte tensors by bit masks is 5 times as fast as torch.where.
    mask = chosen.to(torch.uint8).neg().to(images.device).view(-1, 1, 1, 1)
    return images ^ ((images ^ images.flip(3)) & mask)


def translate(images: Tensor, generator: torch.Generator, *, pixels: int = 2) -> Tensor:
    """Shift each image by -pixels..pixels, drawn uniformly for each axis; what comes in from outside is 0 (black).

    Raises ConfigError when `pixels` is not within 0..min(H, W) - 1.
    """
    batch, channels, height, width = images.shape
    largest = min(height, width) - 1
    if not 0 <= pixels <= largest:
        raise ConfigError(f"translate: pixels is {pixels}, allowed is 0..{largest} for images of {height}x{width}")
    down, right = torch.randint(0, 2 * pixels + 1, (2, batch, 1, 1), generator=generator).to(images.device)
    if batch == 0 or pixels == 0:
        return images.clone()
    padded = F.pad(images.contiguous(), (pixels,) * 4)
    padded_height, padded_width = padded.shape[2:]
    # A row of the result is `width` neighbouring bytes of `padded`, so copying rows by where they start does it all:
    # 3 times as fast as indexing pixels or windows.
    starts = padded.view(-1).as_strided((padded.numel() - width + 1, width), (1, 1))
    plane = torch.arange(batch * channels, device=images.device).view(batch, channels, 1)
    row = plane * padded_height + down + torch.arange(height, device=images.device)
    start = row * padded_width + right
    return starts.index_select(0, start.view(-1)).view(images.shape)


def randaugment(images: Tensor, generator: torch.Generator, *, p: float = 0.25) -> Tensor:
    """torchvision's RandAugment with its defaults (2 operations, magnitude 9) on each image with probability p.

    Each image gets operations of its own, as in a loader's transform. Source: Cubuk et al., RandAugment (2019).
    """
    from normbench.data.randaugment import apply, draw  # torchvision is slow to import, and few runs need it

    _check_probability("randaugment", p)
    return apply(images, draw(len(images), generator, p))


AUGMENTATIONS: dict[str, Augmentation] = {"flip": flip, "translate": translate, "randaugment": randaugment}


def _check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ConfigError(f"{name}: p is {p}, allowed is a probability in 0..1")

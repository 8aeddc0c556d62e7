"""Augmentations that fill boxes of an image with one value: `cutout`, `coarse_dropout`.

A draw is int64 [B, boxes, 4], of (top, bottom, left, right).
"""

import torch
from torch import Tensor

from normbench.data.augment.augmentation import (
    Augmentation,
    check_fill,
    check_pixels,
    check_probability,
    check_range,
)
from normbench.data.augment.boxes import replaced
from normbench.errors import ConfigError

MOST_HOLES = 100


def cutout(*, n_holes: int = 1, length: int = 16, fill: int = 0) -> Augmentation:
    """Fill `n_holes` squares of `length` pixels in each image with the value `fill`; 0 is black.

    The centre of a square is any pixel, so that a part of it may lie outside, and an odd `length` counts as the even
    one below, both as in the authors' code. DeVries & Taylor 2017, arXiv:1708.04552; they fill with the mean of the
    images. Raises ConfigError for options out of their ranges: n_holes 1..100, length 0..2 max(H, W), fill 0..255.
    """
    check_range("cutout", "n_holes", n_holes, 1, MOST_HOLES)
    check_fill("cutout", "fill", fill)

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        check_pixels("cutout", "length", length, 0, 2 * max(shape[2:]), shape)
        spans = []
        for size in shape[2:]:
            centre = torch.randint(size, (shape[0], n_holes), generator=generator)
            spans += [(centre - length // 2).clamp(min=0), (centre + length // 2).clamp(max=size)]
        return torch.stack(spans, dim=2)

    return Augmentation(draw, lambda images, boxes: replaced(images, boxes, fill))


def coarse_dropout(
    *,
    max_holes: int = 8,
    max_height: int = 8,
    max_width: int = 8,
    min_holes: int = 0,
    min_height: int = 0,
    min_width: int = 0,
    fill_value: int = 0,
    p: float = 0.5,
) -> Augmentation:
    """Fill min_holes..max_holes boxes inside of each image with the value `fill_value`, with probability p.

    The number of boxes, their heights and widths and their places are drawn uniformly; a minimum of 0 is the maximum.
    Albumentations' CoarseDropout, with the options of its versions 1.x. Raises ConfigError for options out of their
    ranges, and for boxes larger than the images.
    """
    name = "coarse_dropout"
    check_probability(name, p)
    check_fill(name, "fill_value", fill_value)
    check_range(name, "max_holes", max_holes, 1, MOST_HOLES)
    numbers = _from_to(name, "holes", min_holes, max_holes)
    heights, widths = _from_to(name, "height", min_height, max_height), _from_to(name, "width", min_width, max_width)

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        batch, _, height, width = shape
        check_pixels(name, "max_height", max_height, 1, height, shape)
        check_pixels(name, "max_width", max_width, 1, width, shape)

        def uniform(first: Tensor | int, last: Tensor | int) -> Tensor:
            """Whole numbers first..last, [B, max_holes]."""
            place = torch.rand(batch, max_holes, generator=generator, dtype=torch.float64)
            return first + (place * (last - first + 1)).long()

        there = torch.rand(batch, 1, generator=generator) < p
        there = there & (torch.arange(max_holes) < uniform(*numbers)[:, :1])
        spans = []
        for size, lengths in ((height, heights), (width, widths)):
            length = uniform(*lengths)
            first = uniform(0, size - length)
            spans += [first, first + length]
        return torch.stack(spans, dim=2) * there.unsqueeze(2)

    return Augmentation(draw, lambda images, boxes: replaced(images, boxes, fill_value))


def _from_to(name: str, of: str, least: int, most: int) -> tuple[int, int]:
    if not 0 <= least <= most:
        raise ConfigError(f"{name}: min_{of} is {least}, allowed is 0..max_{of}, which is {most}")
    return least or most, most

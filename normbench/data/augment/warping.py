"""Augmentations that turn, scale and shift images between pixels: `rotate`, `shift_scale_rotate`.

A draw is float64 [B, 4]: the angle in degrees, counter-clockwise, the factor of the size, and the shifts to the right
and down in pixels. Each is one operation about the centre of the image. An image that stays as it is costs nothing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from normbench.data.augment.augmentation import (
    Augmentation,
    check_fill,
    check_name,
    check_probability,
    check_range,
)
from normbench.data.augment.borders import inside
from normbench.data.augment.fast import levels, with_rows

INTERPOLATIONS = ("nearest", "bilinear")
STAY = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64)

OPENCV_BORDERS = {"constant": "constant", "replicate": "edge", "reflect": "symmetric", "reflect_101": "reflect"}
"""OpenCV's names, which albumentations takes over, and torchvision's. `reflect` is another border in each."""


def rotate(*, degrees: float = 15.0, interpolation: str = "nearest", fill: int = 0, p: float = 1.0) -> Augmentation:
    """Turn each image about its centre by an angle from -degrees..degrees, with probability p.

    torchvision's RandomRotation. `interpolation` is `nearest` or `bilinear`, `fill` the value from outside the image.
    At the border `bilinear` mixes a pixel with `fill` once; torchvision makes it darker first. Raises ConfigError for
    degrees outside 0..180, a fill outside 0..255, p outside 0..1, and another interpolation.
    """
    check_range("rotate", "degrees", degrees, 0, 180)
    check_name("rotate", "interpolation", interpolation, INTERPOLATIONS)
    check_fill("rotate", "fill", fill)
    check_probability("rotate", p)

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        return _draw(shape, generator, p, [degrees, 0.0, 0.0, 0.0])

    return Augmentation(draw, lambda images, drawn: _warp(images, drawn, interpolation, "constant", fill))


def shift_scale_rotate(
    *,
    shift_limit: float = 0.0625,
    scale_limit: float = 0.1,
    rotate_limit: float = 45.0,
    interpolation: str = "bilinear",
    border_mode: str = "reflect_101",
    value: int = 0,
    p: float = 0.5,
) -> Augmentation:
    """Turn, scale and shift each image at once, with probability p.

    The angle is from -rotate_limit..rotate_limit degrees, the size times 1 - scale_limit..1 + scale_limit, each shift a
    share -shift_limit..shift_limit of the width or height. Albumentations' ShiftScaleRotate with the options and
    defaults of its versions 1.x; `border_mode` is `constant` (with `value`), `replicate`, `reflect` or `reflect_101`.
    Raises ConfigError for a shift_limit outside 0..1, a scale_limit outside 0..0.9, a rotate_limit outside 0..180, a
    value outside 0..255, p outside 0..1, and another interpolation or border mode.
    """
    name = "shift_scale_rotate"
    check_range(name, "shift_limit", shift_limit, 0, 1)
    check_range(name, "scale_limit", scale_limit, 0, 0.9)
    check_range(name, "rotate_limit", rotate_limit, 0, 180)
    check_name(name, "interpolation", interpolation, INTERPOLATIONS)
    check_name(name, "border_mode", border_mode, OPENCV_BORDERS)
    check_fill(name, "value", value)
    check_probability(name, p)

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        height, width = shape[2:]
        limits = [rotate_limit, scale_limit, shift_limit * width, shift_limit * height]
        return _draw(shape, generator, p, limits)

    border = OPENCV_BORDERS[border_mode]
    return Augmentation(draw, lambda images, drawn: _warp(images, drawn, interpolation, border, value))


def _draw(shape: torch.Size, generator: torch.Generator, p: float, limits: list[float]) -> Tensor:
    """Each number from STAY - limit..STAY + limit, with probability p; else STAY."""
    chosen = torch.rand(shape[0], 1, generator=generator) < p
    place = 2 * torch.rand(shape[0], 4, generator=generator, dtype=torch.float64) - 1
    return STAY + place * torch.tensor(limits, dtype=torch.float64) * chosen


def _warp(images: Tensor, drawn: Tensor, interpolation: str, border: str, fill: int) -> Tensor:
    moved = (drawn != STAY).any(dim=1).nonzero().view(-1)
    if len(moved) == 0:
        return images.clone()
    chosen = images.index_select(0, moved.to(images.device))
    return with_rows(images, moved, _sampled(chosen, drawn[moved], interpolation, border, fill))


def _sampled(images: Tensor, drawn: Tensor, interpolation: str, border: str, fill: int) -> Tensor:
    column, row = _sources(drawn, images)
    if border == "constant":  # as an edge of pixels with the value `fill`
        sources, border, column, row = F.pad(images, (1,) * 4, value=fill), "edge", column + 1, row + 1
    else:
        sources = images
    sample = _nearest if interpolation == "nearest" else _bilinear
    return sample(sources, column, row, border).view(images.shape)


def _sources(drawn: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel of the new images comes from: its column and its row, float32 [B, H * W], counted from 0.

    Sums and products are made one by one: fused, they would round otherwise on some devices.
    """
    height, width = images.shape[2:]
    angle, scale, right, down = drawn.T.unsqueeze(2)
    cos, sin = angle.deg2rad().cos() / scale, angle.deg2rad().sin() / scale
    x = torch.arange(width, dtype=torch.float64) - (width - 1) / 2 - right  # [B, W], from the centre
    y = torch.arange(height, dtype=torch.float64) - (height - 1) / 2 - down
    column = (cos * x).unsqueeze(1), (-sin * y + (width - 1) / 2).unsqueeze(2)
    row = (sin * x).unsqueeze(1), (cos * y + (height - 1) / 2).unsqueeze(2)
    (x1, y1), (x2, y2) = ([part.to(images.device, torch.float32) for part in parts] for parts in (column, row))
    return (x1 + y1).flatten(1), (x2 + y2).flatten(1)


def _nearest(sources: Tensor, column: Tensor, row: Tensor, border: str) -> Tensor:
    height, width = sources.shape[2:]
    index = inside(row.round().int(), height, border) * width + inside(column.round().int(), width, border)
    return _gathered(sources, index)


def _bilinear(sources: Tensor, column: Tensor, row: Tensor, border: str) -> Tensor:
    height, width = sources.shape[2:]
    left, top = column.floor(), row.floor()
    of_right, of_bottom = column - left, row - top  # their weights
    columns = [inside(left.int() + step, width, border) for step in (0, 1)]
    rows = [inside(top.int() + step, height, border) * width for step in (0, 1)]
    total = torch.zeros(*sources.shape[:2], column.shape[1], device=sources.device)
    for first, down in zip(rows, (1 - of_bottom, of_bottom), strict=True):
        for index, right in zip(columns, (1 - of_right, of_right), strict=True):
            total.add_(_gathered(sources, first + index).float().mul_((down * right).unsqueeze(1)))
    return levels(total.add_(0.5))


def _gathered(sources: Tensor, index: Tensor) -> Tensor:
    """The pixels at `index` int32 [B, P] of each plane: uint8 [B, C, P]."""
    return sources.flatten(2).gather(2, index.long().unsqueeze(1).expand(-1, sources.shape[1], -1))

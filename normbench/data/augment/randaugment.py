"""RandAugment of a whole batch: torchvision's distribution and pixels, in a few tensor operations instead of a loop.

The magnitude is a constant. So an operation that moves pixels, or maps values, does the same in every image: a lookup
table, filled once by torchvision's own function. Operations that depend on the image are computed for all images that
drew them together. Source: Cubuk et al. 2019, arXiv:1909.13719, as torchvision implements it.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import functional as tv

from normbench.data.augment.augmentation import Augmentation, check_probability
from normbench.data.augment.fast import with_rows

NUM_ROUNDS = 2
BIN, NUM_BINS = 9, 31  # torchvision's default magnitude: bin 9 of 0..30


def randaugment(*, p: float = 0.25) -> Augmentation:
    """torchvision's RandAugment with its defaults (2 operations, magnitude 9) on each image with probability p.

    Operations are drawn for each image, as in a loader's transform. Source: Cubuk et al., RandAugment (2019).
    Raises ConfigError for p outside 0..1.
    """
    check_probability("randaugment", p)
    return Augmentation(lambda shape, generator: draw(shape[0], generator, p), apply)


def draw(num_images: int, generator: torch.Generator, p: float) -> Tensor:
    """The variants for each image, int64 [B, NUM_ROUNDS]: with probability p random ones, else 0, the identity.

    A variant is an operation with a sign: twice the operation's number plus 0 or 1. Both variants of an operation
    without a sign are the same.
    """
    chosen = torch.rand(num_images, generator=generator) < p
    return torch.randint(NUM_VARIANTS, (num_images, NUM_ROUNDS), generator=generator) * chosen.unsqueeze(1)


def apply(images: Tensor, variants: Tensor) -> Tensor:
    """Apply variants[i] to image i, one after the other; new images of the same shape and device.

    images: uint8 [B, C, H, W] with 1 or 3 channels; variants: int64 [B, rounds] on the CPU.
    """
    place = variants.any(dim=1).nonzero().view(-1)
    if len(place) == 0:
        return images.clone()
    device = images.device
    variants, part = variants[place], images.index_select(0, place.to(device))
    for number in range(variants.shape[1]):
        # Sorted by variant, the images of an operation are neighbours: each operation works on a slice.
        variant, order = variants[:, number].sort()
        place, variants = place[order], variants[order]
        ends = torch.searchsorted(variant, ENDS).tolist()
        part, variant = part.index_select(0, order.to(device)), variant.to(device)
        slices = zip(FAMILIES, [0, *ENDS.tolist()], [0, *ends], ends, strict=False)
        part = torch.cat(
            [family(part[start:end], variant[start:end] - first) for family, first, start, end in slices if start < end]
        )
    return with_rows(images, place, part)


def _keep(images: Tensor, variant: Tensor) -> Tensor:
    return images


def _move(images: Tensor, variant: Tensor) -> Tensor:
    """Shear and translate along either axis, rotate."""
    source = _sources(*images.shape[2:], images.device).index_select(0, variant)
    planes = F.pad(images.flatten(2), (1, 0))
    return planes.gather(2, source.unsqueeze(1).expand(-1, images.shape[1], -1)).view(images.shape)


def _map(images: Tensor, variant: Tensor) -> Tensor:
    """Brightness, posterize, solarize."""
    return _values(images.device).index_select(0, variant).gather(1, images.flatten(1).long()).view(images.shape)


def _color(images: Tensor, variant: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return images
    return _blend(images, tv.rgb_to_grayscale(images), variant)


def _contrast(images: Tensor, variant: Tensor) -> Tensor:
    return _blend(images, tv.rgb_to_grayscale(images).float().mean(dim=(1, 2, 3), keepdim=True), variant)


def _sharpness(images: Tensor, variant: Tensor) -> Tensor:
    """Blend with a 3 x 3 blur of weights 5 (centre) and 1; the border of the image is not blurred."""
    if min(images.shape[2:]) < 3:  # nothing but border
        return images
    pixels = images.float()
    rows = pixels[:, :, :-2] + pixels[:, :, 1:-1] + pixels[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * pixels[:, :, 1:-1, 1:-1]
    blurred = pixels.clone()
    blurred[:, :, 1:-1, 1:-1] = (total / 13).round_()
    return _blend(pixels, blurred, variant)


def _blend(images: Tensor, degenerate: Tensor, variant: Tensor) -> Tensor:
    """Extrapolate away from the degenerate images, or interpolate towards them, by the sign of the variant."""
    mine, other = _factors(images.device).index_select(1, variant).view(2, -1, 1, 1, 1)
    return (mine * images + other * degenerate).clamp_(0, 255).to(torch.uint8)


def _autocontrast(images: Tensor, variant: Tensor) -> Tensor:
    return tv.autocontrast(images)


def _equalize(images: Tensor, variant: Tensor) -> Tensor:
    """Pillow's histogram equalization of each plane; torchvision's function does it plane by plane."""
    planes = images.flatten(2).long()
    histogram = planes.new_zeros(*planes.shape[:2], 256).scatter_add_(2, planes, torch.ones_like(planes))
    of_brightest = histogram.gather(2, planes.amax(dim=2, keepdim=True))
    step = (planes.shape[2] - of_brightest) // 255
    below = histogram.cumsum(dim=2) - histogram
    values = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    return torch.where(step > 0, values.gather(2, planes), planes).to(torch.uint8).view(images.shape)


FAMILIES: dict[Callable[[Tensor, Tensor], Tensor], int] = {
    _keep: 2,
    _move: 10,
    _map: 6,
    _color: 2,
    _contrast: 2,
    _sharpness: 2,
    _autocontrast: 2,
    _equalize: 2,
}
"""(uint8 [N, C, H, W], variants [N] counted from the family's first) -> uint8 [N, C, H, W], with the family's number of
variants: two for each operation."""

ENDS = torch.tensor(list(accumulate(FAMILIES.values())))
NUM_VARIANTS = sum(FAMILIES.values())


def _magnitude(largest: float, start: float = 0.0) -> float:
    return torch.linspace(start, largest, NUM_BINS)[BIN].item()  # rounded to a float32, as in torchvision


@cache
def _sources(height: int, width: int, device: torch.device) -> Tensor:
    """The source of each pixel for each moving variant, int64 [10, H * W]: counted from 1, row by row; 0 is black."""
    shear = math.degrees(math.atan(_magnitude(0.3)))
    right, down = (int(_magnitude(150.0 / 331.0 * size)) for size in (width, height))
    angle = _magnitude(30.0)
    pixels = torch.arange(1, height * width + 1, dtype=torch.float32).view(1, height, width)

    def affine(translate: list[int], degrees: list[float], center: list[int] | None = None) -> Tensor:
        return tv.affine(pixels, angle=0.0, translate=translate, scale=1.0, shear=degrees, center=center)

    sheared = [affine([0, 0], degrees, [0, 0]) for degrees in ([shear, 0], [-shear, 0], [0, shear], [0, -shear])]
    shifted = [affine(by, [0.0, 0.0]) for by in ([right, 0], [-right, 0], [0, down], [0, -down])]
    rotated = [tv.rotate(pixels, angle), tv.rotate(pixels, -angle)]
    return torch.cat(sheared + shifted + rotated).flatten(1).long().to(device)


@cache
def _values(device: torch.device) -> Tensor:
    """The new value of each value for each mapping variant, uint8 [6, 256]."""
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 256)
    brightness = [tv.adjust_brightness(ramp, 1.0 + sign * _magnitude(0.9)) for sign in (1, -1)]
    posterized = tv.posterize(ramp, 8 - round(BIN / ((NUM_BINS - 1) / 4)))
    solarized = tv.solarize(ramp, _magnitude(0.0, start=255.0))
    return torch.cat([*brightness, posterized, posterized, solarized, solarized]).flatten(1).to(device)


@cache
def _factors(device: torch.device) -> Tensor:
    """The weights of the image (row 0) and of its degenerate version (row 1), float32 [2, 2 signs]."""
    factors = [1.0 + _magnitude(0.9), 1.0 - _magnitude(0.9)]
    return torch.tensor([factors, [1.0 - factor for factor in factors]], device=device)

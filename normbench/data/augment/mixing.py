"""Augmentations that mix each image of a batch, and its label, with another one: `mixup`, `cutmix`.

As in torchvision's v2.MixUp and v2.CutMix, all images of a batch are mixed alike, and each with the one before it. The
order of an epoch is drawn, so this is a random pair. A draw is float64 [B, 2 or 6]: how many places further the partner
stands, the weight of the image's own label, and for cutmix the box that is the partner's.
"""

import math

import torch
from torch import Tensor

from normbench.data.augment.augmentation import Augmentation, check_probability
from normbench.data.augment.boxes import replaced
from normbench.errors import ConfigError

LEVELS = 2**16
"""A weight of mixup is a whole number of 1 / LEVELS, so that its products with pixels are exact on every device."""


def mixup(*, alpha: float = 1.0, p: float = 1.0) -> Augmentation:
    """λ x_i + (1 - λ) x_j for all images of a batch, with probability p; likewise for their labels.

    λ ~ Beta(alpha, alpha), once for a batch. The mixed pixels are rounded to whole levels. Zhang et al. 2018,
    arXiv:1710.09412. Raises ConfigError for alpha that is not above 0, and p outside 0..1.
    """
    _check("mixup", alpha, p)

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        weight = round(_draw_weight(alpha, p, generator) * LEVELS) / LEVELS
        return _for_each_image(shape[0], weight)

    return Augmentation(draw, _blended, _mixed)


def cutmix(*, alpha: float = 1.0, p: float = 1.0) -> Augmentation:
    """A box of each image is that of another one, for all images of a batch with probability p.

    The box has the share 1 - λ of the pixels, λ ~ Beta(alpha, alpha), and its centre anywhere, so that a part of it may
    lie outside. Labels are mixed by the share of the pixels that are the image's own. Yun et al. 2019,
    arXiv:1905.04899. Raises ConfigError for alpha that is not above 0, and p outside 0..1.
    """
    _check("cutmix", alpha, p)

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        height, width = shape[2:]
        half = 0.5 * math.sqrt(1 - _draw_weight(alpha, p, generator))
        top, bottom = _draw_span(height, int(half * height), generator)
        left, right = _draw_span(width, int(half * width), generator)
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        return _for_each_image(shape[0], weight, top, bottom, left, right)

    return Augmentation(draw, _pasted, _mixed)


def _check(name: str, alpha: float, p: float) -> None:
    check_probability(name, p)
    if not alpha > 0:
        raise ConfigError(f"{name}: alpha is {alpha}, allowed is a number above 0")


def _draw_weight(alpha: float, p: float, generator: torch.Generator) -> float:
    """λ: 1 with probability 1 - p, else by the inverse of the distribution function of Beta(alpha, alpha)."""
    from scipy.special import betaincinv  # slow to import

    chosen, quantile = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    return float(betaincinv(alpha, alpha, quantile)) if chosen < p else 1.0


def _draw_span(size: int, half: int, generator: torch.Generator) -> tuple[int, int]:
    """The first pixel of `2 * half` around a random one, and the one after the last; cut at the border."""
    centre = int(torch.randint(size, (), generator=generator))
    return max(centre - half, 0), min(centre + half, size)


def _for_each_image(batch: int, *drawn: float) -> Tensor:
    rows = torch.tensor([-1.0, *drawn], dtype=torch.float64).repeat(batch, 1)
    rows[:1, 0] = batch - 1
    return rows


def _partners(values: Tensor, drawn: Tensor) -> Tensor:
    """Of each row of `values` the row that it is mixed with."""
    place = torch.arange(len(drawn)) + drawn[:, 0].long()
    return values.index_select(0, place.to(values.device))


def _blended(images: Tensor, drawn: Tensor) -> Tensor:
    own = (drawn[:, 1] * LEVELS).to(images.device, torch.int32).view(-1, 1, 1, 1)
    mixed = images.int().mul_(own).add_(_partners(images, drawn).int().mul_(LEVELS - own))
    return mixed.add_(LEVELS // 2).floor_divide_(LEVELS).to(torch.uint8)


def _pasted(images: Tensor, drawn: Tensor) -> Tensor:
    return replaced(images, drawn[:, None, 2:].long(), _partners(images, drawn))


def _mixed(labels: Tensor, drawn: Tensor) -> Tensor:
    own = drawn[:, 1:2].to(labels.device, labels.dtype)
    return labels * own + _partners(labels, drawn) * (1 - own)

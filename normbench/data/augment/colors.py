"""The augmentation `color_jitter`: brightness, contrast, saturation and hue of each image.

A draw is float64 [B, 2 adjustments]: the order of the adjustments for each image, then the amount of each. Images with
the same adjustment next are computed together.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from normbench.data.augment.augmentation import Augmentation, check_probability, check_range
from normbench.data.augment.fast import levels

LARGEST = 10.0  # of an option; a factor of 11 leaves hardly a value but black and white
NONE = -1  # in place of an adjustment of an image that is not chosen

Adjust = Callable[[Tensor, Tensor], Tensor]
"""(images uint8 [N, C, H, W], an amount for each, float64 [N, 1, 1, 1]) -> images."""


def color_jitter(
    *, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2, hue: float = 0.0, p: float = 1.0
) -> Augmentation:
    """Change brightness, contrast, saturation and hue of each image, in random order, with probability p.

    torchvision's ColorJitter: the first three are multiplied by a number from max(0, 1 - x)..1 + x, where x is the
    option, and -hue..hue is added to the hue, of which 1 is the whole circle. What is 0 is left out. Images of one
    channel have neither saturation nor hue. Raises ConfigError for options outside 0..10, a hue outside 0..0.5 and p
    outside 0..1.
    """
    options = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    for option, value in options.items():
        check_range("color_jitter", option, value, 0, 0.5 if option == "hue" else LARGEST)
    check_probability("color_jitter", p)
    used = {option: value for option, value in options.items() if value > 0}
    adjustments = [ADJUSTMENTS[option] for option in used]
    ranges = [_range(option, value) for option, value in used.items()]
    least, most = torch.tensor(ranges, dtype=torch.float64).view(-1, 2).T

    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        batch = shape[0]
        order = torch.rand(batch, len(used), generator=generator).argsort(dim=1)
        chosen = torch.rand(batch, 1, generator=generator) < p
        amounts = least + (most - least) * torch.rand(batch, len(used), generator=generator, dtype=torch.float64)
        return torch.cat([order.where(chosen, NONE), amounts], dim=1)

    return Augmentation(draw, lambda images, drawn: _adjusted(images, drawn, adjustments))


def _adjusted(images: Tensor, drawn: Tensor, adjustments: Sequence[Adjust]) -> Tensor:
    place = torch.arange(len(images))  # of each image in the batch
    for turn in range(len(adjustments)):
        # Sorted by what is next, the images of an adjustment are neighbours: each works on a slice.
        sorting = drawn[:, turn].argsort()
        images, drawn, place = images.index_select(0, sorting.to(images.device)), drawn[sorting], place[sorting]
        firsts = torch.searchsorted(drawn[:, turn].contiguous(), torch.arange(len(adjustments))).tolist()
        (kept, *parts), (_, *draws) = images.tensor_split(firsts), drawn.tensor_split(firsts)
        for number, (adjust, rows) in enumerate(zip(adjustments, draws, strict=True)):
            amount = rows[:, len(adjustments) + number].view(-1, 1, 1, 1).to(images.device)
            parts[number] = adjust(parts[number], amount)
        images = torch.cat([kept, *parts])
    return images.index_select(0, place.argsort().to(images.device))


def _range(option: str, value: float) -> tuple[float, float]:
    return (-value, value) if option == "hue" else (max(0.0, 1 - value), 1 + value)


def _brightness(images: Tensor, factor: Tensor) -> Tensor:
    return levels(images.float().mul_(factor.float()).clamp_(0, 255))


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    grey = _grey(images)
    total = grey.sum(dim=(1, 2, 3), keepdim=True)  # in whole numbers: the same on every device
    mean = total.float() / (grey.shape[2] * grey.shape[3])
    return _blended(images, mean, factor)


def _saturation(images: Tensor, factor: Tensor) -> Tensor:
    return images if images.shape[1] == 1 else _blended(images, _grey(images), factor)


def _blended(images: Tensor, others: Tensor, share: Tensor) -> Tensor:
    mixed = images.float().mul_(share.float()).add_(others.float() * (1 - share).float())
    return levels(mixed.clamp_(0, 255))


def _grey(images: Tensor) -> Tensor:
    """torchvision's rgb_to_grayscale, uint8 [B, 1, H, W]."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.float().split(1, dim=1)
    return levels(0.2989 * red + 0.587 * green + 0.114 * blue)


def _hue(images: Tensor, shift: Tensor) -> Tensor:
    """Smith 1978: in HSV the hue, here 0..6, is turned; value and chroma stay."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.float().split(1, dim=1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    divisor = chroma.clamp(min=1)  # where it is 0, any hue does
    hue = torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4)
    hue = torch.where(value == red, (green - blue) / divisor, hue) + (6 * shift).float()
    channels = []
    for offset in (5, 3, 1):
        place = (hue + offset).remainder(6)
        channels.append(value - chroma * torch.minimum(place, 4 - place).clamp(0, 1))
    return levels(torch.cat(channels, dim=1) * (255.999 / 255))  # as torchvision makes levels of fractions


ADJUSTMENTS: dict[str, Adjust] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}

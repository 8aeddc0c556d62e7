"""color_jitter: with the same draws, the pixels of torchvision's ColorJitter."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as tv

from normbench.data.augment.colors import color_jitter
from normbench.data.streams import stream

ADJUST = {
    "brightness": tv.adjust_brightness,
    "contrast": tv.adjust_contrast,
    "saturation": tv.adjust_saturation,
    "hue": tv.adjust_hue,
}
SHAPES = [(40, 3, 32, 32), (40, 1, 9, 14)]


def images_of(shape: tuple[int, ...]) -> Tensor:
    """Noise, with some images of one colour, of greys only, and of pure colours."""
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "test images"))
    images[0] = 77
    images[1] = images[1, :1]
    images[2] = 255 * (images[2] > 127)
    return images


def torchvisions(image: Tensor, order: list[int], amounts: list[float], names: list[str]) -> Tensor:
    for number in order:
        image = ADJUST[names[number]](image, amounts[number])
    return image


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"brightness": 0.5, "contrast": 0.0, "saturation": 0.0}, 0),
        ({"brightness": 0.0, "contrast": 1.5, "saturation": 0.0}, 0),
        ({"brightness": 0.0, "contrast": 0.0, "saturation": 2.0}, 0),
        ({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.5}, 1),
        ({"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}, 0),
    ],
    ids=["brightness", "contrast", "saturation", "hue", "three in any order"],
)
def test_pixels_are_torchvisions(options: dict[str, float], most: int, shape: tuple[int, ...]) -> None:
    """The same; where a hue is turned, to one level of 255."""
    images, augment = images_of(shape), color_jitter(**options)
    names = [name for name, value in options.items() if value]
    drawn = augment.draw(images.shape, stream(3, "augment"))
    order, amounts = drawn.chunk(2, dim=1)
    of_each = zip(images, order.int().tolist(), amounts.tolist(), strict=True)
    expected = torch.stack([torchvisions(image, row, values, names) for image, row, values in of_each])
    assert (augment.apply(images, drawn).int() - expected.int()).abs().max() <= most


def test_orders_and_amounts_are_uniform() -> None:
    augment = color_jitter(brightness=0.3, contrast=2.0, saturation=0.5, hue=0.1, p=0.5)
    order, amounts = augment.draw(torch.Size((20_000, 3, 4, 4)), stream(0, "augment")).chunk(2, dim=1)
    chosen = (order >= 0).all(dim=1)
    assert ((order == -1).all(dim=1) | chosen).all()
    assert chosen.float().mean().item() == pytest.approx(0.5, abs=0.02)
    permutations, counts = order[chosen].unique(dim=0, return_counts=True)
    assert permutations.shape == (24, 4)
    assert counts.min() > 0.75 * counts.float().mean()  # 417 expected, standard error 20
    for values, (least, most) in zip(amounts.T, [(0.7, 1.3), (0.0, 3.0), (0.5, 1.5), (-0.1, 0.1)], strict=True):
        assert least <= values.min() <= values.max() <= most
        places = (values - least) / (most - least)
        assert places.mean().item() == pytest.approx(0.5, abs=0.01)
        assert places.var().item() == pytest.approx(1 / 12, abs=0.003)


def test_an_image_that_is_not_chosen_stays_as_it_is() -> None:
    images, augment = images_of(SHAPES[0]), color_jitter(hue=0.3, p=0.5)
    drawn = augment.draw(images.shape, stream(3, "augment"))
    stays = (drawn[:, 0] == -1).nonzero().view(-1)
    assert 0 < len(stays) < len(images)
    assert torch.equal(augment.apply(images, drawn)[stays], images[stays])

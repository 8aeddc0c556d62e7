"""cutout and coarse_dropout: which boxes are drawn, and that nothing else changes."""

import pytest
import torch
from torch import Tensor

from normbench.data.augment.erasing import coarse_dropout, cutout
from normbench.data.streams import stream

SHAPES = [(40, 3, 32, 32), (40, 1, 24, 12)]


def noise(shape: tuple[int, ...]) -> Tensor:
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=stream(0, "test images"))


def filled(images: Tensor, boxes: Tensor, value: int) -> Tensor:
    out = images.clone()
    for image, of_image in zip(out, boxes.tolist(), strict=True):
        for top, bottom, left, right in of_image:
            image[:, top:bottom, left:right] = value
    return out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "augment", [cutout(fill=7), cutout(n_holes=3, length=5, fill=7), coarse_dropout(min_holes=2, fill_value=7)]
)
def test_the_boxes_that_are_drawn_are_filled_and_nothing_else(augment, shape) -> None:
    images = noise(shape)
    boxes = augment.draw(images.shape, stream(3, "augment"))
    assert boxes.any()
    assert torch.equal(augment.apply(images, boxes), filled(images, boxes, 7))


@pytest.mark.parametrize("length", [15, 16])
def test_cutout_is_a_square_around_any_pixel_cut_at_the_border(length: int) -> None:
    """The authors' code: y - length // 2 to y + length // 2, clipped, y uniform over the rows; likewise x."""
    boxes = cutout(length=length).draw(torch.Size((5000, 3, 32, 20)), stream(0, "augment"))[:, 0]
    half = length // 2
    for size, first, last in ((32, boxes[:, 0], boxes[:, 1]), (20, boxes[:, 2], boxes[:, 3])):
        spans = {(max(centre - half, 0), min(centre + half, size)): 0 for centre in range(size)}
        for span in zip(first.tolist(), last.tolist(), strict=True):
            spans[span] += 1  # no other one is drawn
        assert min(spans.values()) > 5000 / size * 0.6


def test_coarse_dropout_lies_inside_with_sizes_and_numbers_from_their_ranges() -> None:
    augment = coarse_dropout(
        max_holes=3, min_holes=1, max_height=9, min_height=7, max_width=4, min_width=2, fill_value=0, p=0.8
    )
    boxes = augment.draw(torch.Size((20_000, 3, 16, 12)), stream(0, "augment"))
    top, bottom, left, right = boxes.unbind(2)
    there = bottom > top
    shares = torch.bincount(there.sum(1), minlength=4) / len(boxes)
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.8 / 3, 0.8 / 3, 0.8 / 3]), rtol=0, atol=0.015)
    for size, least, most, first, last in (
        (16, 7, 9, top[there], bottom[there]),
        (12, 2, 4, left[there], right[there]),
    ):
        counts = torch.bincount(last - first, minlength=most + 1)
        assert counts[:least].sum() == 0
        assert len(counts) == most + 1
        assert counts[least:].min() > 0.9 * counts[least:].float().mean()
        assert (first.min(), last.max()) == (0, size)


def test_without_a_minimum_every_box_is_as_large_and_there_are_as_many_as_the_maximum_says() -> None:
    boxes = coarse_dropout(max_holes=2, max_height=6, max_width=3, p=1.0).draw(
        torch.Size((50, 1, 9, 9)), stream(0, "x")
    )
    assert (boxes[..., 1] - boxes[..., 0]).unique().tolist() == [6]
    assert (boxes[..., 3] - boxes[..., 2]).unique().tolist() == [3]

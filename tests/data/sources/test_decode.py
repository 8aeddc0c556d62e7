"""Many images as one array: of one size, or resized to one; grey if all are."""

import io
import os
from functools import partial

import numpy as np
import pytest
from PIL import Image

from normbench.data.sources.decode import Encoded, decode
from normbench.errors import DataError


def encoded(name: str, mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Encoded:
    """An image of (width, height) `size`."""
    file = io.BytesIO()
    Image.new(mode, size, 77).save(file, "PNG")
    return name, file.getvalue


def test_images_are_grey_if_all_are_and_else_in_colour() -> None:
    grey, colour = encoded("grey", "L"), encoded("colour")
    assert decode([grey, grey], resize=None, bar=False).tolist() == np.full((2, 1, 6, 8), 77).tolist()
    both = decode([grey, colour], resize=None, bar=False)
    assert both.shape == (2, 3, 6, 8)
    assert (both[0] == 77).all()


def test_images_of_two_sizes_are_named_with_the_way_out() -> None:
    images = [encoded("a.png"), encoded("b.png"), encoded("c.png", size=(9, 6))]
    with pytest.raises(DataError, match=r"c.png is 9x6 pixels, and a.png is 8x6: .*--set data.resize=32"):
        decode(images, resize=None, bar=False)
    assert decode(images, resize=(4, 5), bar=False).shape == (3, 3, 4, 5)


def test_all_images_that_cannot_be_read_are_counted() -> None:
    bad = [(f"{number}.png", partial(bytes)) for number in range(7)]
    with pytest.raises(DataError, match=r"0.png: the file is empty .*; and 2 more"):
        decode([*bad, encoded("a.png")], resize=None, bar=False)
    with pytest.raises(DataError, match=r"0.png: the file is empty .*; and 2 more"):
        decode(bad, resize=None, bar=False)


def test_more_images_than_the_memory_holds_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> bytes:
        raise AssertionError

    images = [encoded("a.png", size=(1000, 1000)), *[("more.png", never)] * 10_000]
    with pytest.raises(DataError, match=r"10,001 images of 3x1000x1000 bytes take 27.9 GiB, and at most 16 GiB"):
        decode(images, resize=None, bar=False)
    monkeypatch.setattr(os, "sysconf", lambda name: 4096)
    with pytest.raises(DataError, match=r"this machine has 0.0156 GiB of memory"):
        decode([encoded("a.png", size=(1000, 1000)), *[("more.png", never)] * 10], resize=None, bar=False)

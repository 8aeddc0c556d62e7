"""Images of a source that does not decode files, brought to another size."""

from dataclasses import replace
from typing import TYPE_CHECKING

from normbench.data.dataset import RawData, Split
from normbench.data.sources.source import SourceInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Size = tuple[int, int]
"""(height, width) in pixels."""


def resized(found: SourceInput, size: Size) -> SourceInput:
    """The input with all of its images in one size, in a cache file of its own."""

    def read() -> RawData:
        raw = found.read()
        train, test, val = (split and _resized(split, size) for split in (raw.train, raw.test, raw.val))
        assert train is not None
        return RawData(train, test, raw.class_names, val)

    height, width = size
    return replace(
        found,
        slot=f"{found.slot}-{height}x{width}",
        identity=lambda: f"{found.identity()} resized to {height}x{width}",
        read=read,
    )


def _resized(split: Split, size: Size) -> Split:
    import torch

    if split.images.shape[2:] == size:
        return split
    images = torch.empty(*split.images.shape[:2], *size, dtype=torch.uint8)
    for index, image in enumerate(split.images.numpy()):
        images[index] = torch.from_numpy(_image_resized(image, size))
    return Split(images, split.labels)


def _image_resized(image: "NDArray[np.uint8]", size: Size) -> "NDArray[np.uint8]":
    """As `read_image` resizes, plane by plane: uint8 [C, H, W] -> [C, *size]."""
    import numpy as np
    from PIL import Image

    planes = [Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR) for plane in image]
    return np.stack([np.asarray(plane) for plane in planes])

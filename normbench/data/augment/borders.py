"""What stands outside of an image, by torchvision's names: `constant`, `edge`, `reflect`, `symmetric`."""

from torch import Tensor

BORDERS = ("constant", "edge", "reflect", "symmetric")


def inside(index: Tensor, size: int, border: str) -> Tensor:
    """The index in 0..size - 1 of the pixel that stands at `index`, which may lie outside, along an axis.

    border: `edge` repeats the last pixel, `reflect` mirrors without repeating it, `symmetric` mirrors and repeats it.
    """
    if border == "edge":
        return index.clamp(0, size - 1)
    if border == "symmetric":
        index = index.remainder(2 * size)
        return index.minimum(2 * size - 1 - index)
    period = max(2 * (size - 1), 1)
    index = index.remainder(period)
    return index.minimum(period - index)

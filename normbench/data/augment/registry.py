"""The augmentations by name. Another one is a function of its options in a module beside this one, and a line here."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from normbench.deferred import deferred

if TYPE_CHECKING:
    from normbench.data.augment.augmentation import Augmentation

_HERE = "normbench.data.augment"

AUGMENTATIONS: "dict[str, Callable[..., Augmentation]]" = {
    "flip": deferred(f"{_HERE}.moves", "flip"),
    "vertical_flip": deferred(f"{_HERE}.moves", "vertical_flip"),
    "translate": deferred(f"{_HERE}.moves", "translate"),
    "crop": deferred(f"{_HERE}.moves", "crop"),
    "rotate": deferred(f"{_HERE}.warping", "rotate"),
    "shift_scale_rotate": deferred(f"{_HERE}.warping", "shift_scale_rotate"),
    "color_jitter": deferred(f"{_HERE}.colors", "color_jitter"),
    "cutout": deferred(f"{_HERE}.erasing", "cutout"),
    "coarse_dropout": deferred(f"{_HERE}.erasing", "coarse_dropout"),
    "randaugment": deferred(f"{_HERE}.randaugment", "randaugment"),
    "mixup": deferred(f"{_HERE}.mixing", "mixup"),
    "cutmix": deferred(f"{_HERE}.mixing", "cutmix"),
}

MIXING = ("mixup", "cutmix")
"""Those that mix labels."""

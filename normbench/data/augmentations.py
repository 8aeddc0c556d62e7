"""The augmentations by name. Another one is a function of its options in `augment.py`, and a line here."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from normbench.deferred import deferred

if TYPE_CHECKING:
    from normbench.data.augment import Augmentation

_AUGMENT = "normbench.data.augment"

AUGMENTATIONS: "dict[str, Callable[..., Augmentation]]" = {
    "flip": deferred(_AUGMENT, "flip"),
    "translate": deferred(_AUGMENT, "translate"),
    "randaugment": deferred(_AUGMENT, "randaugment"),
}

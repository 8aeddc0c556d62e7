"""What a network is built for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Images [channels, height, width] of `image_shape`, each of one of `num_classes` classes."""

    num_classes: int
    image_shape: tuple[int, int, int]

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.image_shape[1:]


CIFAR10 = Task(10, (3, 32, 32))
"""The task of a network that is built before its data are known."""

"""The shape of a norm's input: how it is typed, and the names of its axes."""

from collections.abc import Collection, Sequence
from math import prod

from normbench.errors import ConfigError

Shape = tuple[int, ...]

AXES = {2: ("N", "C"), 3: ("N", "C", "L"), 4: ("N", "C", "H", "W"), 5: ("N", "C", "D", "H", "W")}
"""Number of axes -> their names in PyTorch's documentation: 2 and 3 for the 1d layers, 4 for 2d, 5 for 3d."""

MAX_VALUES = 2**24  # 64 MiB in float32


def axis_names(shape: Sequence[int]) -> tuple[str, ...]:
    return AXES[len(shape)]


def parse_shape(text: str, num_axes: Collection[int]) -> Shape:
    """ "64,16,32,32" -> (64, 16, 32, 32). Raises ConfigError unless it has one of `num_axes` axes, all at least 1."""
    try:
        shape = tuple(int(size) for size in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) not in num_axes or min(shape) < 1:
        allowed = " or ".join(",".join(AXES[count]) for count in num_axes)
        raise ConfigError(
            f"--shape {text!r} is not a shape: write {allowed} as whole numbers from 1 on, such as 8,16,4,4"
        )
    if prod(shape) > MAX_VALUES:
        raise ConfigError(f"--shape {text} holds {prod(shape):,} values, more than the {MAX_VALUES:,} allowed here")
    return shape


def groups_for(num_channels: int, groups: int | None) -> int:
    """`groups` if given, else 2, or 1 if the number of channels is odd. Raises ConfigError if it does not divide."""
    if groups is None:
        return 2 if num_channels % 2 == 0 else 1
    if groups < 1 or num_channels % groups:
        allowed = [str(count) for count in range(1, num_channels + 1) if num_channels % count == 0]
        raise ConfigError(f"--groups {groups} does not divide C = {num_channels}; allowed: {', '.join(allowed)}")
    return groups

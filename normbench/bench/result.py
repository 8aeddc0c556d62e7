"""What was measured, and what follows from it. No torch here."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PARTS = ("data", "forward", "backward", "optimizer", "other")
"""Of a training step, in order. data: until the network is called (waiting for the batch, its augmentation and
normalization, the step's lr and dropout seeds); backward: from the logits on, so with the loss; other: what follows
the optimizer (counts, the check that the loss is finite)."""

WITHOUT = "none"
"""The norm that the others' tax is measured against."""

OPERATIONS_PER_MAC = 6  # 2 forward; backward as many for the gradient of the input, and of the weight


class Spread(NamedTuple):
    """Over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Lap:
    """A contender's turn in one round: some training steps in a row. `parts`: seconds of all its steps, by name."""

    num_steps: int
    num_images: int
    seconds: float
    parts: Mapping[str, float] | None = None

    @property
    def step_s(self) -> float:
        return self.seconds / self.num_steps

    @property
    def images_per_s(self) -> float:
        return self.num_images / self.seconds

    @property
    def part_s(self) -> dict[str, float] | None:
        """Seconds a step, by part; None where the step cannot be divided."""
        return None if self.parts is None else {name: self.parts[name] / self.num_steps for name in PARTS}


@dataclass(frozen=True)
class Timed:
    """A norm's laps, one a round. `macs`: multiply-adds an image, forward."""

    norm: str
    label: str
    macs: int
    laps: tuple[Lap, ...]
    peak_memory_bytes: int

    @property
    def middle(self) -> Lap:
        """The lap with the median step (of an even number the faster of the two): its parts sum to its step."""
        return sorted(self.laps, key=lambda lap: lap.step_s)[(len(self.laps) - 1) // 2]

    @property
    def step_s(self) -> Spread:
        """The middle lap's, the fastest's and the slowest's."""
        steps = [lap.step_s for lap in self.laps]
        return Spread(self.middle.step_s, min(steps), max(steps))


@dataclass(frozen=True)
class Ceilings:
    """The best this machine was seen to do in one round: matrix products in GFLOP/s by precision, copying in GB/s.

    A product of two [n, n] counts 2 n^3 operations, a copy the bytes read and those written.
    """

    matmul_gflops: Mapping[str, float]
    copy_gb_per_s: float


@dataclass(frozen=True)
class Bench:
    """`norms`: first the network without norm, then those asked for; `plain`: the plain loop with them, by norm."""

    norms: tuple[Timed, ...]
    plain: Mapping[str, Timed]
    ceilings: tuple[Ceilings, ...]  # one a round
    device: str
    precision: str

    def tax_s(self, timed: Timed) -> Spread:
        """Seconds a step more than without norm, round by round."""
        return Spread.of([lap.step_s - bare.step_s for lap, bare in self._beside_bare(timed)])

    def tax(self, timed: Timed) -> Spread:
        """The same as a fraction of the step without norm."""
        return Spread.of([lap.step_s / bare.step_s - 1 for lap, bare in self._beside_bare(timed)])

    def share_of_peak(self, timed: Timed) -> Spread:
        """The arithmetic of training over the best matrix product in the precision used, round by round.

        6 x MACs operations an image; what norms, activations and the optimizer compute is not counted.
        """
        operations = OPERATIONS_PER_MAC * timed.macs
        return Spread.of(
            [
                operations * lap.images_per_s / (1e9 * ceilings.matmul_gflops[self.precision])
                for lap, ceilings in zip(timed.laps, self.ceilings, strict=True)
            ]
        )

    def times_plain(self, timed: Timed) -> Spread:
        """How many times as many images a second as the plain loop, round by round."""
        plain = self.plain[timed.norm]
        return Spread.of(
            [ours.images_per_s / theirs.images_per_s for ours, theirs in zip(timed.laps, plain.laps, strict=True)]
        )

    def _beside_bare(self, timed: Timed) -> list[tuple[Lap, Lap]]:
        bare = next(other for other in self.norms if other.norm == WITHOUT)
        return list(zip(timed.laps, bare.laps, strict=True))

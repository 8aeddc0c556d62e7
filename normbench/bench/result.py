"""Timings of training steps, and the ratios that follow from them. No torch here."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

PARTS = ("data", "forward", "backward", "optimizer", "other")
"""The parts of a training step, in order.

data: until the network is called, that is waiting for the batch, its augmentation and normalization, the step's
learning rate and dropout seeds. backward: everything after the logits, so with the loss. other: what follows the
optimizer, that is counting and the check that the loss is finite.
"""

WITHOUT = "none"
"""The norm that a norm's tax is measured against."""

OPERATIONS_PER_MAC = 6  # 2 forward; 2 backward for the gradient of the input, and 2 for that of the weight


class Spread(NamedTuple):
    """Median, lowest and highest value over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Timing:
    """Consecutive training steps in one round. `parts`: seconds of all steps by name; None if they are not known."""

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
        """Seconds a step, by part; None if the step cannot be divided."""
        return None if self.parts is None else {name: self.parts[name] / self.num_steps for name in PARTS}


@dataclass(frozen=True)
class NormTimings:
    """The timings of one norm, one a round. `macs`: multiply-adds of the network an image, forward."""

    norm: str
    label: str
    macs: int
    timings: tuple[Timing, ...]
    peak_memory_bytes: int | None
    engine: str = "kernels"
    """Who computed the network, one of `train.engine.ENGINES`; empty for a loop that is not normbench's."""

    @property
    def middle(self) -> Timing:
        """The timing with the median step, of an even number the faster of the two. Its parts sum to its step."""
        return sorted(self.timings, key=lambda timing: timing.step_s)[(len(self.timings) - 1) // 2]

    @property
    def step_s(self) -> Spread:
        """Seconds a step: of the middle timing, the fastest and the slowest."""
        steps = [timing.step_s for timing in self.timings]
        return Spread(self.middle.step_s, min(steps), max(steps))


@dataclass(frozen=True)
class Ceilings:
    """The machine's best in one round: matrix products in GFLOP/s by precision, copying in GB/s.

    A product of two [n, n] counts 2 n^3 operations. A copy counts the bytes read and the bytes written.
    """

    matmul_gflops: Mapping[str, float]
    copy_gb_per_s: float


@dataclass(frozen=True)
class Bench:
    """What `normbench bench` measures.

    norms: first the network without norm, then the norms asked for. against: other loops by name, each by norm.
    ceilings: one a round. beside: by norm, the norms asked for while `num_busy` other programs compute; empty if there
    were none. All ratios are taken round by round, so that a slow round changes none.
    """

    norms: tuple[NormTimings, ...]
    against: Mapping[str, Mapping[str, NormTimings]]
    ceilings: tuple[Ceilings, ...]
    device: str
    precision: str
    num_busy: int = 0
    beside: Mapping[str, NormTimings] = field(default_factory=dict)

    def tax_s(self, norm: NormTimings) -> Spread:
        """Seconds that a step takes longer than without norm."""
        return Spread.of([timing.step_s - bare.step_s for timing, bare in self._beside_bare(norm)])

    def tax(self, norm: NormTimings) -> Spread:
        """`tax_s` as a fraction of the step without norm."""
        return Spread.of([timing.step_s / bare.step_s - 1 for timing, bare in self._beside_bare(norm)])

    def share_of_peak(self, norm: NormTimings) -> Spread:
        """Arithmetic of training per second, over that of the best matrix product in the same precision.

        Counted are 6 x MACs operations an image, those of direct convolutions; norms, activations and the optimizer
        are not. Winograd's convolutions take fewer (fp32 kernels on the CPU), so that the share may exceed 1.
        """
        operations = OPERATIONS_PER_MAC * norm.macs
        return Spread.of(
            [
                operations * timing.images_per_s / (1e9 * ceilings.matmul_gflops[self.precision])
                for timing, ceilings in zip(norm.timings, self.ceilings, strict=True)
            ]
        )

    def times(self, norm: NormTimings, loop: str) -> Spread:
        """Images a second, over those of another loop with the same norm."""
        pairs = zip(norm.timings, self.against[loop][norm.norm].timings, strict=True)
        return Spread.of([timing.images_per_s / other.images_per_s for timing, other in pairs])

    def slowdown(self, norm: NormTimings) -> Spread:
        """The time of a step beside the busy programs, over that without them."""
        pairs = zip(norm.timings, self.beside[norm.norm].timings, strict=True)
        return Spread.of([beside.step_s / alone.step_s for alone, beside in pairs])

    def _beside_bare(self, norm: NormTimings) -> list[tuple[Timing, Timing]]:
        bare = next(other for other in self.norms if other.norm == WITHOUT)
        return list(zip(norm.timings, bare.timings, strict=True))

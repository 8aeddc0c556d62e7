"""A bench as if it had been measured."""

from normbench.bench.result import PARTS, Bench, Ceilings, NormTimings, Timing


def make_timing(step_ms: float, batch: int = 64, steps: int = 10) -> Timing:
    """A tenth of a step in data, two in forward, four in backward, one in the optimizer, none in the rest."""
    seconds = steps * step_ms / 1000
    shares = (0.1, 0.2, 0.4, 0.1, 0.0)
    parts = {name: share * seconds for name, share in zip(PARTS, shares, strict=True)}
    return Timing(steps, steps * batch, seconds, parts)


def make_timings(norm: str, step_ms: list[float]) -> NormTimings:
    return NormTimings(norm, norm.upper(), 10_000_000, tuple(map(make_timing, step_ms)), 700 * 2**20)


def make_bench() -> Bench:
    """A bench of three rounds; in the second the machine was half as fast."""
    ceilings = [Ceilings({"fp32": fp32, "bf16": bf16}, 9) for fp32, bf16 in ((100, 300), (50, 200), (110, 320))]
    return Bench(
        norms=(make_timings("none", [20, 40, 22]), make_timings("bn", [25, 50, 30])),
        against={"plain": {"bn": make_timings("bn", [125, 200, 240])}},
        ceilings=tuple(ceilings),
        device="cpu",
        precision="bf16",
        num_busy=2,
        beside={"bn": make_timings("bn", [50, 75, 90])},
    )

"""Ratios of timings, worked by hand."""

import pytest

from tests.timings import make_bench, make_timings


def test_ratios_are_taken_round_by_round() -> None:
    """A machine at half its speed in one round changes a difference, but no ratio."""
    found = make_bench()
    bn = found.norms[1]
    assert found.tax_s(bn) == pytest.approx((0.008, 0.005, 0.010))
    assert found.tax(bn) == pytest.approx((0.25, 0.25, 8 / 22))
    assert found.times(bn, "plain") == pytest.approx((5.0, 4.0, 8.0))
    assert found.slowdown(bn) == pytest.approx((2.0, 1.5, 3.0))
    assert bn.step_s == pytest.approx((0.030, 0.025, 0.050))


def test_the_share_of_the_peak_counts_six_operations_a_mac() -> None:
    found = make_bench()
    first, second, third = (
        6 * 10e6 * 64 / seconds / peak for seconds, peak in ((0.025, 300e9), (0.050, 200e9), (0.030, 320e9))
    )
    assert found.share_of_peak(found.norms[1]) == pytest.approx((third, second, first))


@pytest.mark.parametrize(("step_ms", "middle"), [([3, 1, 2], 2), ([4, 1, 2, 3], 2), ([5], 5)])
def test_parts_are_those_of_one_round(step_ms: list[float], middle: float) -> None:
    chosen = make_timings("bn", step_ms).middle
    assert chosen.step_s == pytest.approx(middle / 1000)
    assert chosen.part_s is not None
    assert sum(chosen.part_s.values()) == pytest.approx(0.8 * chosen.step_s)

"""How many seeds it takes: against simulation and the textbook."""

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.difference import paired_t, welch
from normbench.analysis.stats.power import new_seeds, paired_power


@pytest.mark.parametrize(("n", "spread"), [(2, 0.3), (5, 0.3), (10, 0.42), (40, 0.9)])
def test_power_is_the_textbooks(n: int, spread: float) -> None:
    shift, t = 0.5 * np.sqrt(n) / spread, stats.t.ppf(0.975, n - 1)
    expected = stats.nct.sf(t, n - 1, shift) + stats.nct.cdf(-t, n - 1, shift)
    assert paired_power(n, spread, 0.5) == pytest.approx(expected, abs=5e-4)


def test_power_is_what_simulation_finds() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 0.4, (20_000, 6)), rng.normal(0, 0.1, (20_000, 6))
    found = (stats.ttest_rel(a, b, axis=1).pvalue <= 0.05).mean()
    assert paired_power(6, float(np.hypot(0.4, 0.1)), 0.5) == pytest.approx(found, abs=0.011)  # 3 standard errors


def test_a_difference_of_half_a_point_takes_ten_seeds() -> None:
    spread = 0.3 * 2**0.5
    assert paired_power(9, spread, 0.5) < 0.9 <= paired_power(10, spread, 0.5)
    assert paired_power(10, spread, 0.5, alpha=0.05 / 3) < 0.9
    assert paired_power(10, 10 * spread, 5) == pytest.approx(paired_power(10, spread, 0.5))
    assert paired_power(2, 0.001, 5) > 0.9


def test_the_count_from_five_seeds_finds_it_nine_times_in_ten_on_average() -> None:
    rng = np.random.default_rng(0)
    powers = []
    for _ in range(300):
        pilot = paired_t(rng.normal(0.5, 0.3, 5), rng.normal(0, 0.3, 5))
        powers.append(paired_power(new_seeds(pilot, 0.5) or 2, 0.3 * 2**0.5, 0.5))
    assert np.mean(powers) >= 0.9 - 3 * np.std(powers) / np.sqrt(300)
    assert np.mean(powers) <= 0.96  # and is not a mere "many"


def test_the_count_is_of_seeds_that_are_tested_alone() -> None:
    few, many = paired_t([79.7, 79.3, 79.9], [79.2, 79.6, 79.4]), welch([79.7, 79.3, 79.9] * 9, [79.2, 79.6, 79.4] * 9)
    assert new_seeds(few, 0.5) > new_seeds(few, 1.0) > 0
    assert new_seeds(few, 0.5) > new_seeds(many, 0.5) >= 2  # a spread that is known better takes fewer
    assert new_seeds(welch([79.7], [79.2]), 0.5) is None
    assert new_seeds(few, 1e-4) is None  # beyond all bounds


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="delta"):
        paired_power(2, 0.3, 0)
    with pytest.raises(ValueError, match="spread"):
        paired_power(2, 0, 0.5)
    with pytest.raises(ValueError, match="alpha"):
        paired_power(2, 0.3, 0.5, alpha=1)
    with pytest.raises(ValueError, match="two seeds"):
        paired_power(1, 0.3, 0.5)

"""How many runs it takes: against simulation and the textbook."""

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.difference import welch
from normbench.analysis.stats.power import more_seeds, seeds_needed, welch_power

REPETITIONS = 20_000


def found(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue <= 0.05


@pytest.mark.parametrize(
    ("n_a", "n_b", "std_a", "std_b"), [(9, 9, 0.3, 0.3), (5, 12, 0.1, 0.5), (20, 5, 0.3, 0.6), (2, 3, 0.3, 0.1)]
)
def test_power_is_what_simulation_finds(n_a: int, n_b: int, std_a: float, std_b: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, std_a, (REPETITIONS, n_a)), rng.normal(0, std_b, (REPETITIONS, n_b))
    assert welch_power(n_a, n_b, std_a, std_b, 0.5) == pytest.approx(found(a, b).mean(), abs=0.011)  # 3 standard errors


def test_power_of_many_runs_is_the_textbooks() -> None:
    shift = 0.1 / (0.5 * np.sqrt(2 / 400))
    t = stats.t.ppf(0.975, 798)
    assert welch_power(400, 400, 0.5, 0.5, 0.1) == pytest.approx(stats.nct.sf(t, 798, shift), abs=5e-4)


def test_a_difference_of_half_a_point_takes_nine_seeds() -> None:
    assert seeds_needed(0.3, 0.3, 0.5) == 9
    assert welch_power(8, 8, 0.3, 0.3, 0.5) < 0.9 <= welch_power(9, 9, 0.3, 0.3, 0.5)
    assert seeds_needed(0.0, 0.3, 0.5) <= 9
    assert seeds_needed(0.3, 0.3, 0.5, alpha=0.05 / 3) > 9
    assert seeds_needed(3, 3, 5) == 9
    assert seeds_needed(0.01, 0.01, 5) == 2


def test_the_count_from_five_seeds_finds_it_nine_times_in_ten_on_average() -> None:
    rng = np.random.default_rng(0)
    powers = []
    for _ in range(300):
        pilot = welch(rng.normal(0.5, 0.3, 5), rng.normal(0, 0.3, 5))
        n = 5 + (more_seeds(pilot, 0.5) or 0)
        powers.append(welch_power(n, n, 0.3, 0.3, 0.5))
    assert np.mean(powers) >= 0.9 - 3 * np.std(powers) / np.sqrt(300)
    assert np.mean(powers) <= 0.96  # and is not a mere "many"


def test_more_seeds_counts_on_top_of_those_there() -> None:
    few, many = welch([79.7, 79.3, 79.9], [79.2, 79.6, 79.4]), welch([79.7, 79.3, 79.9] * 9, [79.2, 79.6, 79.4] * 9)
    assert more_seeds(few, 0.5) > more_seeds(few, 1.0) > 0
    assert more_seeds(many, 0.5) == 0
    assert more_seeds(welch([79.7], [79.2]), 0.5) is None
    assert more_seeds(few, 1e-4) is None  # beyond all bounds


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="delta"):
        seeds_needed(0.3, 0.3, 0)
    with pytest.raises(ValueError, match="not both 0"):
        seeds_needed(0, 0, 0.5)
    with pytest.raises(ValueError, match="alpha"):
        seeds_needed(0.3, 0.3, 0.5, alpha=0.95)
    with pytest.raises(ValueError, match="two runs"):
        welch_power(1, 5, 0.3, 0.3, 0.5)
    with pytest.raises(ValueError, match="more than 10,000"):
        seeds_needed(0.3, 0.3, 1e-4)

"""Group-sequential boundaries against published constants and SciPy's multivariate normal."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from normbench.analysis.stats.spending import exit_probabilities, nominal_alphas, spend

FIVE = (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("looks", "constant", "power"),
    # Jennison & Turnbull (2000), tables 2.1 and 2.3, alpha 0.05: z_k = constant · (K / k)^power
    [(2, 2.178, 0), (5, 2.413, 0), (10, 2.555, 0), (2, 1.977, 0.5), (5, 2.040, 0.5), (10, 2.087, 0.5)],
)
def test_published_boundaries_spend_their_alpha(looks: int, constant: float, power: float) -> None:
    bounds = [constant * (looks / look) ** power for look in range(1, looks + 1)]
    assert sum(exit_probabilities(range(1, looks + 1), bounds)) == pytest.approx(0.05, abs=1e-4)


def test_pocock_needs_as_many_more_as_published() -> None:
    # Jennison & Turnbull (2000), table 2.2: K = 5, alpha 0.05, power 0.9: 1.207 times a single look's sample
    drift = (stats.norm.ppf(0.975) + stats.norm.ppf(0.9)) * np.sqrt(1.207 / 5)
    assert sum(exit_probabilities(FIVE, [2.413] * 5, drift)) == pytest.approx(0.9, abs=5e-4)


def test_spending_evenly_gives_the_published_boundary() -> None:
    # Lan & DeMets' linear function, five looks, two-sided 0.05: 2.58, 2.49, 2.41, 2.34, 2.28
    levels = nominal_alphas(FIVE, tuple(0.01 * look for look in FIVE))
    assert stats.norm.isf(np.array(levels) / 2) == pytest.approx([2.58, 2.49, 2.41, 2.34, 2.28], abs=0.005)


@pytest.mark.parametrize("information", [(1, 2, 3), (3, 4, 20), (5, 5.01, 9)])
def test_exits_are_those_of_a_multivariate_normal(information: tuple[float, ...]) -> None:
    bounds = np.array([2.5, 2.2, 2.0])
    each = np.array(information)
    correlation = np.sqrt(np.minimum.outer(each, each) / np.maximum.outer(each, each))
    inside = [
        stats.multivariate_normal(cov=correlation[:k, :k], allow_singular=True).cdf(bounds[:k], lower_limit=-bounds[:k])
        for k in (1, 2, 3)
    ]
    exits = -np.diff([1, *inside])
    assert list(exit_probabilities(information, bounds)) == pytest.approx(exits, abs=1e-4)


@pytest.mark.parametrize("information", [(4, 8, 12, 16, 20), (3, 4, 6, 8, 10), (3.4, 9, 9.5, 20), (7,)])
def test_what_is_spent_is_what_was_planned(information: tuple[float, ...]) -> None:
    spent = tuple(spend(each / information[-1], 0.05) for each in information)
    levels = nominal_alphas(information, spent)
    bounds = stats.norm.isf(np.array(levels) / 2)
    assert np.cumsum(list(exit_probabilities(information, bounds))) == pytest.approx(spent, abs=1e-9)
    assert spent[-1] == 0.05
    assert levels[0] == pytest.approx(spent[0])


def test_a_larger_share_of_alpha_raises_every_level() -> None:
    # What Maurer and Bretz's procedure needs: what Holm hands on never makes a look stricter.
    for information in ((4, 8, 12, 16, 20), (3, 4, 6, 8, 10)):
        shares = [0.05 / m for m in (10, 6, 5, 4, 3, 2, 1)]
        levels = [
            nominal_alphas(information, tuple(spend(i / information[-1], a) for i in information)) for a in shares
        ]
        for less, more in pairwise(levels):
            assert all(np.array(less) < np.array(more))


def test_a_look_that_may_spend_nothing_never_stops() -> None:
    assert nominal_alphas((1, 2), (0.0, 0.05)) == pytest.approx((0, 0.05), abs=1e-9)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="grow"):
        nominal_alphas((1, 1), (0.01, 0.05))
    with pytest.raises(ValueError, match="grow"):
        nominal_alphas((1, 2), (0.05,))
    with pytest.raises(ValueError, match="fall"):
        nominal_alphas((1, 2), (0.05, 0.01))

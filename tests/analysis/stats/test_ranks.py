"""Ranks: worked by hand, and every order that the real differences allow lies inside them."""

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations

import numpy as np
import pytest

from normbench.analysis.stats.pairs import Couple, Pair, judge
from normbench.analysis.stats.ranks import Rank, ranks

WOBBLE = (0.1, -0.1, 0.05, -0.05, 0.0)


def all_pairs(means: Mapping[str, float], seeds: int = 5) -> tuple[Pair, ...]:
    runs = {
        name: {seed: mean + WOBBLE[(seed * (place + 1) + place) % 5] for seed in range(seeds)}
        for place, (name, mean) in enumerate(means.items())
    }
    return judge([Couple(a, b, runs[a], runs[b]) for a, b in combinations(means, 2)], delta=0.5)


def test_arms_that_cannot_be_told_apart_share_places() -> None:
    means = {"middle": 80.0, "low": 70.0, "high": 90.0, "also middle": 80.01}
    assert ranks(means, all_pairs(means)) == {
        "high": Rank(1, 1),
        "middle": Rank(2, 3),
        "also middle": Rank(2, 3),
        "low": Rank(4, 4),
    }


def test_without_all_pairs_or_verdicts_there_is_no_ranking() -> None:
    means = {name: float(place) for place, name in enumerate("ABCD")}
    pairs = all_pairs(means)
    assert len(ranks(means, pairs)) == 4
    assert ranks(means, pairs[1:]) == {}
    assert ranks(means, [pair for pair in pairs if "A" in (pair.a, pair.b)]) == {}
    assert ranks(means, all_pairs(means, seeds=1)) == {}
    assert ranks("ABC", all_pairs({name: means[name] for name in "ABC"})) == {}


@pytest.mark.parametrize("seed", range(10))
def test_every_order_that_agrees_with_the_real_differences_is_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = "ABCDE"
    runs = {name: dict(enumerate(rng.normal(place, 1.0, 5).tolist())) for place, name in enumerate(names)}
    pairs = judge([Couple(a, b, runs[a], runs[b]) for a, b in combinations(names, 2)], delta=0.5)
    found = ranks(names, pairs)
    orders = [order for order in permutations(names) if agrees(order, pairs)]
    assert orders
    for name in names:
        places = [1 + order.index(name) for order in orders]
        assert found[name].best <= min(places) <= max(places) <= found[name].worst


def agrees(order: Sequence[str], pairs: Sequence[Pair]) -> bool:
    """Whether the order, the highest first, has each pair that is really different the right way round."""
    told = [pair for pair in pairs if pair.verdict.kind == "real"]
    return all((order.index(it.a) < order.index(it.b)) == (it.difference.difference > 0) for it in told)

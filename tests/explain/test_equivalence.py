"""Norms that compute the same."""

import pytest

from normbench.explain.equivalence import explain_equivalence


@pytest.mark.parametrize("seed", [0, 1])
def test_group_norm_is_layer_and_instance_norm_until_it_is_not(seed: int) -> None:
    found = explain_equivalence((4, 8, 5, 3), seed)
    assert all(one.holds == one.expected for one in found.comparisons)
    held = {(one.claim, one.when): one.largest_difference for one in found.comparisons if one.holds}
    assert {"GN(1) = LN", "GN(1) = LN-CHW", "GN(C) = IN"} <= {claim for claim, when in held if when == "at the start"}
    broken = {(one.claim, one.when): one.largest_difference for one in found.comparisons if not one.holds}
    assert set(broken) == {
        ("GN(1) = LN-CHW", "γ and β learned"),
        ("GN(C) = tracking IN", "eval"),
        ("BN = IN", "one image, eval"),
    }
    assert max(held.values()) < 1e-5 and min(broken.values()) > 0.1

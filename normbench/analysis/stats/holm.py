"""Several tests together: p-values and levels that keep the chance of any false alarm (Holm)."""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values adjusted for multiple tests: rejecting at adjusted p <= alpha keeps the family-wise error at alpha.

    The i-th smallest of m is multiplied by m − i + 1, never below the one before it, at most 1. Valid however the
    tests depend on one another. Holm (1979), Scandinavian Journal of Statistics 6. None, a pair without a test, stays
    None and does not count. Raises ValueError for a p-value outside [0, 1].
    """
    known = [(p_value, index) for index, p_value in enumerate(p_values) if p_value is not None]
    if not all(0 <= p_value <= 1 for p_value, _ in known):
        raise ValueError(f"p-values must be between 0 and 1: {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (p_value, index) in enumerate(sorted(known)):
        reached = max(reached, min(1.0, (len(known) - rank) * p_value))
        adjusted[index] = reached
    return adjusted


def holm_level(adjusted: Sequence[float | None], alpha: float) -> float:
    """The level that Holm's last step leaves to each test: alpha / (tests that were not rejected), at most alpha.

    A test is rejected exactly if its own p-value is at most this level, so that an interval of confidence 1 − level
    shows for each test of the table what Holm's procedure says about it. `adjusted` are the p-values of `holm`.
    """
    kept = sum(p_value is not None and p_value > alpha for p_value in adjusted)
    return alpha / max(1, kept)

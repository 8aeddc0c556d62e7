"""Holm's procedure by hand."""

import numpy as np
import pytest

from normbench.analysis.stats.holm import holm, holm_level


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1: 0.03, 0.06, and 0.04 may not fall below 0.06
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([None, 0.04, None, 0.01]) == [None, pytest.approx(0.04), None, pytest.approx(0.02)]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([None]) == [None]
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.2])


def test_the_last_level_tells_which_tests_are_rejected() -> None:
    # 0.03 is rejected at 0.05 / 1 only after both others were: 0.06 stays
    assert holm_level([0.03, 0.06, 0.06], 0.05) == 0.025
    assert holm_level([0.01, 0.02], 0.05) == 0.05
    assert holm_level([None, 0.5], 0.05) == 0.05
    rng = np.random.default_rng(0)
    for p_values in rng.beta(0.3, 1, (500, 4)).tolist():
        adjusted = holm(p_values)
        level = holm_level(adjusted, 0.05)
        assert [p <= 0.05 for p in adjusted] == [p <= level for p in p_values]

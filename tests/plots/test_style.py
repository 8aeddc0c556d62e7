"""Styles of norms, and places of their labels."""

import pytest

from normbench.plots.style import norm_styles, spread


def test_every_norm_of_a_long_list_has_its_own_look() -> None:
    styles = norm_styles([f"norm {i}" for i in range(28)])
    assert len({(style.color, style.line) for style in styles.values()}) == 28
    first = list(norm_styles(["BN", "GN", "LN"]).values())
    assert all(len({getattr(style, part) for style in first}) == 3 for part in ("color", "line", "marker"))


def test_spread_moves_as_little_as_can_be() -> None:
    assert spread([0.5, 0.1], 0.1) == [0.5, 0.1]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([1.0, 0.99], 0.1) == pytest.approx([1.0, 0.9])
    assert spread([0.0, 0.02, 0.9], 0.2) == pytest.approx([0.0, 0.2, 0.9])
    assert spread([], 0.1) == []

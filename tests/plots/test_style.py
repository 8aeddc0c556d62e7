"""Styles of norms."""

from itertools import combinations

from normbench.plots.style import norm_styles


def test_every_norm_of_a_long_list_has_its_own_look() -> None:
    styles = norm_styles([f"norm {i}" for i in range(28)])
    assert len({(style.color, style.line) for style in styles.values()}) == 28
    first = list(norm_styles(["BN", "GN", "LN"]).values())
    assert all(len({getattr(style, part) for style in first}) == 3 for part in ("color", "line", "marker"))


def test_the_first_norms_differ_in_grey_print() -> None:
    greys = [lightness(style.color) for style in norm_styles(["BN", "GN", "LN"]).values()]
    assert min(abs(one - other) for one, other in combinations(greys, 2)) > 15


def lightness(colour: str) -> float:
    """L* of CIELAB, 0 to 100."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 116 * (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) ** (1 / 3) - 16

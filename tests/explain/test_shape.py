"""Shapes as they are typed, and the groups that fit them."""

import pytest

from normbench.errors import ConfigError
from normbench.explain.shape import AXES, axis_names, groups_for, parse_shape


def test_a_shape_is_whole_numbers_for_axes_that_are_allowed() -> None:
    assert parse_shape("64,16,32,32", AXES) == (64, 16, 32, 32)
    assert axis_names((2, 3, 4)) == ("N", "C", "L")
    for text in ("2,x", "2,0", "2,-1", "5", "", "1,2,3,4,5,6"):
        with pytest.raises(ConfigError, match="is not a shape"):
            parse_shape(text, AXES)
    with pytest.raises(ConfigError, match="write N,C,H,W"):
        parse_shape("2,3,4", [4])
    with pytest.raises(ConfigError, match="more than the 16,777,216"):
        parse_shape("4097,4096", AXES)


def test_groups_divide_the_channels() -> None:
    assert (groups_for(6, None), groups_for(7, None), groups_for(6, 3)) == (2, 1, 3)
    for groups in (0, 4, 12):
        with pytest.raises(ConfigError, match="allowed: 1, 2, 3, 6"):
            groups_for(6, groups)

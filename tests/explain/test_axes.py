"""Which values of a block share their statistics."""

import pytest

from normbench.errors import ConfigError
from normbench.explain.axes import explain_axes


def test_each_norm_with_statistics_has_its_sets() -> None:
    found = explain_axes((2, 4, 1, 2), ["bn", "gn", "none"], groups=2)
    bn, gn = found.norms
    assert (bn.norm, bn.description) == ("BN", "over N, H, W: C = 4 sets")
    assert bn.sets == [[[[c, c]] for c in range(4)]] * 2
    assert (gn.norm, gn.description) == ("GN(2)", "over C/G, H, W: N·G = 4 sets")
    assert gn.sets[1] == [[[2, 2]], [[2, 2]], [[3, 3]], [[3, 3]]]


@pytest.mark.parametrize(
    ("shape", "axis"), [((17, 2, 2, 2), "N = 17"), ((2, 65, 2, 2), "C = 65"), ((2, 2, 13, 5), "H·W = 65")]
)
def test_a_block_too_large_to_draw_is_refused(shape: tuple[int, ...], axis: str) -> None:
    with pytest.raises(ConfigError, match=f"{axis} is too many to draw"):
        explain_axes(shape)

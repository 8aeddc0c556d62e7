"""What each norm computes, learns and stores, in numbers."""

import json

import pytest

from normbench.explain.params import Counts, count_norms_on
from normbench.explain.shape import Shape
from normbench.norms.registry import ENTRIES
from normbench.present.tables.explain import params_table
from tests.tiny import invoke

SHAPES: list[Shape] = [(4, 6), (3, 6, 5), (4, 6, 3, 2), (2, 6, 3, 2, 2)]


def by_norm(shape: Shape, **options: int) -> dict[str, Counts]:
    return {count.norm: count for count in count_norms_on(shape, **options)}


def test_a_norm_without_a_statement_is_unknown_and_the_rest_is_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRIES, "bn", ENTRIES["bn"]._replace(axes=None))
    count = by_norm((2, 4, 3, 3))["BN"]
    assert (count.reduced, count.num_statistics, count.num_learned, count.num_buffers) == (None, None, 8, 9)


def test_the_parameter_analysis() -> None:
    """BN: C, LN: N, IN: C·N, GN: nG·N; gamma and beta: BN and GN one a channel, LN one an element."""
    n, c, h, w = 5, 6, 3, 2
    counts = by_norm((n, c, h, w), groups=3)
    found = {norm: (count.num_statistics, count.statistics_formula) for norm, count in counts.items()}
    assert found["BN"] == (c, "C")
    assert found["LN"] == found["LN-CHW"] == (n, "N")
    assert found["IN"] == (n * c, "N·C")
    assert found["GN(3)"] == (n * 3, "N·G")
    assert found["none"] == (0, "0")
    assert [norm for norm in ("BN", "LN", "LN-CHW", "IN", "GN(3)") if counts[norm].statistics_stored] == ["BN"]
    assert counts["BN"].num_learned == counts["GN(3)"].num_learned == 2 * c
    assert (counts["LN-CHW"].num_learned, counts["LN-CHW"].learned_formula) == (2 * c * h * w, "2·C·H·W")


def test_batch_norm_1d_of_10() -> None:
    count = by_norm((64, 10))["BN"]
    assert (count.layer, count.num_learned, count.num_buffers) == ("BatchNorm1d", 20, 21)
    assert (count.learned_formula, count.buffers_formula) == ("2·C", "2·C + 1")
    assert count.learned == {"weight": (10,), "bias": (10,)}
    assert count.buffers == {"running_mean": (10,), "running_var": (10,), "num_batches_tracked": ()}
    shown = invoke("explain", "params", "--shape", "64,10").stdout
    assert "BatchNorm1d(10) learns 20 values and stores 21" in shown


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_it_says_that_pytorchs_instance_norm_learns_nothing_by_default(shape: Shape) -> None:
    note = "PyTorch's default, affine=False"
    assert note in " ".join(params_table(count_norms_on(shape, ["in", "bn"])).notes)
    assert note not in " ".join(params_table(count_norms_on(shape, ["bn"])).notes)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_its_layers(shape: Shape) -> None:
    result = invoke("explain", "params", "--shape", ",".join(map(str, shape)), "--format", "json")
    rows = json.loads(result.stdout)
    assert [row["norm"] for row in rows] == [count.norm for count in count_norms_on(shape)]
    dimension = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}[len(shape)]
    assert rows[0]["layer"] == f"BatchNorm{dimension}"

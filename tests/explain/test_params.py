"""`normbench explain params` and `axes`: what each norm shares, learns and stores."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.params import Counts, count_norms_on
from normbench.explain.shape import Shape
from normbench.explain.sharing import sharing
from normbench.norms.registry import ENTRIES
from tests.tiny import invoke

SHAPES: list[Shape] = [(4, 6), (3, 6, 5), (4, 6, 3, 2), (2, 6, 3, 2, 2)]
CASES = [(kind, shape) for shape in SHAPES for kind in norms_for(shape)]


def by_norm(shape: Shape, **options: int) -> dict[str, Counts]:
    return {count.norm: count for count in count_norms_on(shape, **options)}


def reached(layer: nn.Module, x: Tensor, index: tuple[int, ...]) -> Tensor:
    """Which outputs move when the one input value at `index` does, in training mode: bool of x's shape."""
    moved = x.clone()
    moved[index] += 1
    with torch.no_grad():
        return (layer.train()(x) - layer(moved)).abs() > 1e-9


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_what_is_stated_is_what_the_layer_does(kind: str, shape: Shape) -> None:
    """Moving a value moves the outputs of its own set and no others."""
    options = options_for(kind, shape, num_groups=2, ghost_size=2)
    stated = sharing(kind, shape, options)
    if stated is None:
        pytest.skip(f"the axes of {kind} are not stated")
    layer = build_layer(kind, shape, options).double()
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5  # frn cuts below 0
    sets = stated.sets()
    for index in ((0,) * len(shape), tuple(size - 1 for size in shape), (1, 2, 1, 0, 1)[: len(shape)]):
        own = torch.zeros(shape, dtype=torch.bool)
        own[index] = True
        expected = sets == sets[index] if stated.reduced else own
        assert torch.equal(reached(layer, x, index), expected)
    assert not stated.reduced or len(sets.unique()) == stated.num_sets == int(sets.max()) + 1


def test_a_norm_without_a_statement_is_unknown_and_the_rest_is_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRIES, "bn", ENTRIES["bn"]._replace(axes=None))
    count = by_norm((2, 4, 3, 3))["BN"]
    assert (count.reduced, count.num_statistics, count.num_learned, count.num_buffers) == (None, None, 8, 9)
    shown = invoke("explain", "params", "--norm", "bn").stdout
    assert "unknown" in shown
    assert "not known" in invoke("explain", "axes", "--norm", "bn").stdout
    assert "not known" in invoke("explain", "tensor", "--norm", "bn").stdout


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
    assert "BatchNorm1d(10): 20 learned, 21 values stored, not 40" in shown


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_its_layers(shape: Shape) -> None:
    result = invoke("explain", "params", "--shape", ",".join(map(str, shape)), "--format", "json")
    rows = json.loads(result.stdout)
    assert [row["norm"] for row in rows] == [count.norm for count in count_norms_on(shape)]
    dimension = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}[len(shape)]
    assert rows[0]["layer"] == f"BatchNorm{dimension}"


def test_the_network_layer_by_layer() -> None:
    content = json.loads(invoke("explain", "params", "--model", "--norm", "bn", "--format", "json").stdout)
    assert [layer["shape"] for layer in content["layers"][:3]] == [[64, 16, 32, 32], [64, 32, 32, 32], [64, 16, 16, 16]]
    assert (content["num_statistics"], content["num_learned"], content["num_buffers"]) == (208, 416, 424)
    assert content["num_parameters"] == 40_394
    shown = invoke("explain", "params", "--model", "--norm", "gn", "--groups", "8").stdout
    assert "GN(8) in the network" in shown and "GroupNorm-36" in shown and "40,394" in shown
    assert invoke("explain", "params", "--model", "--norm", "none").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["params", "--shape", "2,x"], r"--shape '2,x' is not a shape: write N,C or N,C,L or N,C,H,W"),
        (["params", "--shape", "2,0"], "whole numbers from 1 on"),
        (["params", "--shape", "5"], "is not a shape"),
        (["params", "--shape", "99999,99999"], "more than the"),
        (["params", "--norm", "bm"], "did you mean 'bn'"),
        (["params", "--groups", "3"], r"--groups 3 does not divide C = 16; allowed: 1, 2, 4, 8, 16"),
        (["params", "--groups", "0"], "allowed: 1"),
        (["params", "--shape", "4,10", "--norm", "in"], "norm 'in' takes no N,C input; known for N,C: bn, gn, ln"),
        (["params", "--model", "--shape", "2,2"], "leave out --shape"),
        (["params", "--model", "--norm", "bn", "--norm", "gn"], "one network, with one norm"),
        (["params", "--model", "--norm", "gn", "--groups", "3"], "3 does not divide"),
        (["axes", "--shape", "4,6,2"], r"write N,C,H,W as whole numbers"),
        (["axes", "--shape", "4,100,2,2"], r"C = 100 is too many to draw; at most 64"),
        (["axes", "--groups", "4"], r"does not divide C = 6; allowed: 1, 2, 3, 6"),
        (["axes", "--output", "axes.pdf"], r"ends in \.png"),
        (["axes", "--output", "nowhere/axes.png"], "there is no folder nowhere"),
        (["axes", "--norm", "none", "--output", "axes.png"], "nothing to draw"),
    ],
)
def test_what_cannot_be_is_answered_in_a_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        raise invoke("explain", *arguments).exception or AssertionError("no error")
    assert caught.value.exit_code == 2


def test_axes_in_the_terminal() -> None:
    lines = invoke("explain", "axes", "--norm", "gn", "--groups", "3", "--shape", "2,6,2,2").stdout.splitlines()
    assert lines[0] == "GN(3): over C/G, H, W: N·G = 6 sets"
    assert [line.split() for line in lines[2:4]] == [["n0", *"001122"], ["n1", *"334455"]]


def test_many_channels_stay_within_the_terminal() -> None:
    shown = invoke("explain", "axes", "--norm", "in", "--shape", "16,64,1,2").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "c63" in shown


def test_axes_as_json_and_as_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "axes.png"
    result = invoke("explain", "axes", "--shape", "2,4,1,2", "--format", "json", "--output", path)
    content = {norm["norm"]: norm for norm in json.loads(result.stdout)["norms"]}
    assert content["BN"]["sets"] == [[[[c, c]] for c in range(4)]] * 2
    assert content["GN(2)"]["sets"][1] == [[[2, 2]], [[2, 2]], [[3, 3]], [[3, 3]]]
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {path}" in result.stderr


def test_a_picture_over_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        raise invoke("explain", "axes", "--output", folder).exception or AssertionError("no error")

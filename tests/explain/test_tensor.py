"""A tensor through each norm, against the parameter analysis digit by digit."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from normbench.explain.layers import norms_for, options_for
from normbench.explain.sharing import sharing
from normbench.explain.tensor import NormOnTensor, explain_tensor
from normbench.explain.tensor_input import document_tensor
from tests.tiny import invoke

ONES = [[1.0, -1.0], [-1.0, 1.0]]
BN_TRAIN = [
    [[[0.3015, -0.9045], [-0.9045, 0.3015]], [[0.5773, -0.9622], [-0.9622, 0.5773]]],
    [[[1.5075, -0.9045], [-0.9045, 1.5075]], [[1.3471, -0.9622], [-0.9622, 1.3471]]],
]
BN_EVAL = [
    [[[0.2820, -0.8461], [-0.8461, 0.2820]], [[0.5401, -0.9001], [-0.9001, 0.5401]]],
    [[[1.4102, -0.8461], [-0.8461, 1.4102]], [[1.2601, -0.9001], [-0.9001, 1.2601]]],
]
LN_OUTPUT = [
    [[[0.3015, -0.9045], [-0.9045, 0.3015]], [[1.5075, -0.9045], [-0.9045, 1.5075]]],
    [[[0.5773, -0.9622], [-0.9622, 0.5773]], [[1.3471, -0.9622], [-0.9622, 1.3471]]],
]
PLAIN = ("bn", "gn", "ln", "ln-chw", "in")  # those of the documents: nothing but the formula


def explained(x: Tensor, **options: Any) -> dict[str, NormOnTensor]:
    return {norm.norm: norm for norm in explain_tensor(x, **options).norms}


def printed(values: object) -> object:
    """To PyTorch's four decimals."""
    return np.round(np.array(values), 4).tolist()


@pytest.fixture(scope="module")
def analysis() -> dict[str, NormOnTensor]:
    return explained(document_tensor())


@pytest.mark.parametrize(
    ("norm", "train", "eval_"),
    [
        ("BN(momentum=1.0)", BN_TRAIN, BN_EVAL),
        ("GN(2)", [[ONES, ONES]] * 2, [[ONES, ONES]] * 2),
        ("LN-CHW", LN_OUTPUT, LN_OUTPUT),
        ("IN(affine=False)", [[ONES, ONES]] * 2, [[ONES, ONES]] * 2),
    ],
)
def test_the_documents_outputs(analysis: dict[str, NormOnTensor], norm: str, train: list, eval_: list) -> None:
    assert analysis[norm].train is not None
    assert printed(analysis[norm].train.output) == train
    assert printed(analysis[norm].eval.output) == eval_


def test_the_documents_state(analysis: dict[str, NormOnTensor]) -> None:
    state = analysis["BN(momentum=1.0)"].state_dict
    assert {name: printed(values) for name, values in state.items()} == {
        "weight": [1, 1],
        "bias": [0, 0],
        "running_mean": [0.75, 1.25],
        "running_var": [0.7857, 1.9286],
        "num_batches_tracked": 1,
    }
    assert analysis["GN(2)"].state_dict == {"weight": [1, 1], "bias": [0, 0]}
    assert analysis["LN-CHW"].state_dict == {
        "weight": torch.ones(2, 2, 2).tolist(),
        "bias": torch.zeros(2, 2, 2).tolist(),
    }
    assert analysis["IN(affine=False)"].state_dict == {}


@pytest.mark.parametrize("shape", [(4, 6), (3, 6, 5), (2, 6, 3, 2), (2, 4, 2, 2, 2)])
def test_the_statistics_are_those_of_the_output(shape: tuple[int, ...]) -> None:
    """output = (x − mean) / sqrt(std² + eps), set by set, in both modes."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    for kind, norm in zip(norms_for(shape), explain_tensor(x).norms, strict=True):
        found = sharing(kind, shape, options_for(kind, shape, num_groups=2))
        for mode in (norm.train, norm.eval):
            if found is None or mode is None or set(mode.statistics or ()) != {"mean", "std"} or kind not in PLAIN:
                continue
            mean, std = (torch.tensor(mode.statistics[name])[found.sets()] for name in ("mean", "std"))
            expected = (x - mean) / (std**2 + 1e-5).sqrt()
            torch.testing.assert_close(torch.tensor(mode.output), expected, rtol=1e-4, atol=1e-4)


def test_one_value_a_channel_cannot_be_trained_on_and_says_so() -> None:
    result = invoke("explain", "tensor", "--shape", "1,2,1,1", "--norm", "bn")
    assert result.exit_code == 0
    assert "train: refused: Expected more than 1 value per channel" in result.stdout
    content = json.loads(invoke("explain", "tensor", "--shape", "1,2,1,1", "--format", "json").stdout)
    bn, *_, instance = (norm for norm in content["norms"] if norm["layer"] in ("BatchNorm2d", "InstanceNorm2d"))
    assert bn["train"] is None and bn["eval"]["running"]
    assert instance["train"] is None and "spatial" in instance["problem"]


def test_options_reach_the_layers() -> None:
    norms = explained(document_tensor(), affine=True, momentum=0.1, groups=1)
    assert norms["IN"].state_dict == {"weight": [1, 1], "bias": [0, 0]}
    assert norms["BN"].state_dict["running_mean"] == pytest.approx([0.075, 0.125])
    assert norms["GN(1)"].train is not None and printed(norms["GN(1)"].train.output) == LN_OUTPUT
    assert explained(document_tensor(), affine=False)["LN-CHW(affine=False)"].state_dict == {}

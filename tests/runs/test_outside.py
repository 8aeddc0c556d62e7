"""Mistakes of norms from outside: found before a run, with norm, layer and error in one sentence."""

import pytest
import torch

from normbench.config import Choice, Config
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.errors import ConfigError
from normbench.models.count import count_norms, count_parameters
from normbench.models.task import CIFAR10
from normbench.runs.build import build_network
from normbench.runs.outside import outside_explained, try_outside
from normbench.train.setting import Setting

CPU = Setting(torch.device("cpu"), normalization=CIFAR10_CONSTANTS)


def config(norm: str) -> Config:
    return Config().model_copy(update={"norm": Choice(f"tests.foreign_norms:{norm}")})


MISTAKES = {
    "Raises": r"layer layers.stem.1: ValueError: no \(foreign_norms.py, line \d+\)",
    "RaisesInEval": "layer layers.stem.1: KeyError: 'eval'",
    "RaisesInItsBackward": "a step of training with it fails: KeyError: 'scale'",
    "Shape": r"layer layers.stem.1: returned the shape \[4, 16, 31, 32\] for \[4, 16, 32, 32\]",
    "ShapeOfOneBatchSize": r"layer layers.stem.1: returned the shape \[1, 16, 32, 32\] for \[3, 16, 32, 32\]",
    "Double": "layer layers.stem.1: returned torch.float64 for torch.float32",
    "Pair": "layer layers.stem.1: returned tuple, not a tensor",
    "OnAnotherDevice": "layer layers.stem.1: returned a tensor on meta for one on cpu",
    "MakesParametersLate": "makes 'weight' in its first call, .*: make it in __init__",
    "Lazy": "makes layers.stem.1.weight in its first call, .*: make it in __init__",
    "Hides": "layer layers.stem.1: 'weights' is never trained: use nn.Parameter or nn.ParameterList",
    "KeepsItsGraph": r"layer layers.stem.1: keeps the graph of a step in 'mean': use detach\(\)",
    "Remembers": "layer layers.stem.1: keeps the graph of a step in 'seen'",
    "NeedsItsOutput": r"needs its output for the backward pass, .*: return a clone\(\)",
    "CannotBeMade": r"cannot be made \(16\): RuntimeError: not today",
}


@pytest.mark.parametrize("norm", MISTAKES)
def test_a_mistake_is_one_sentence_that_names_norm_layer_and_error(norm: str) -> None:
    state = torch.get_rng_state()
    with pytest.raises(ConfigError, match=MISTAKES[norm]) as caught:
        try_outside(config(norm), CIFAR10, CPU, batch_size=4)
    assert f"norm 'tests.foreign_norms:{norm}'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("norm", ["Good", "Shares"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_norm_without_a_mistake_may_train(norm: str, precision: str) -> None:
    state = torch.get_rng_state()
    try_outside(
        config(norm), CIFAR10, Setting(torch.device("cpu"), precision, normalization=CIFAR10_CONSTANTS), batch_size=4
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_a_shared_parameter_counts_once() -> None:
    network = build_network(config("Shares"), CIFAR10)
    bare = build_network(Config().model_copy(update={"norm": Choice("none")}), CIFAR10)
    assert count_norms(network)["norm_parameters"] == 1
    assert count_parameters(network) == count_parameters(bare) + 1


def test_an_error_during_a_run_names_the_layer_too_and_only_errors_of_a_norm_do() -> None:
    network, images = build_network(config("RaisesInEval"), CIFAR10), torch.zeros(2, 3, 32, 32)
    refusal = pytest.raises(ConfigError, match=r"foreign_norms:RaisesInEval', layer layers.stem.1: KeyError: 'eval'")
    with refusal, outside_explained(config("RaisesInEval"), [network]):
        network.eval()(images)
    with pytest.raises(KeyError), outside_explained(config("RaisesInEval"), [network]):
        raise KeyError("of ours")

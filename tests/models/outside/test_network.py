"""Networks of users: how they get their norms, what a config may set, and what is said about a mistake."""

from pathlib import Path

import pytest
import torch
from torch import nn

from normbench.config import Choice, Config, load_config
from normbench.errors import ConfigError
from normbench.models.count import norm_layers
from normbench.models.outside.notes import exchanged_layers, warnings_about
from normbench.models.task import CIFAR10, Task
from normbench.norms import NORMS
from normbench.runs.build import build_network
from normbench.runs.registries import REGISTRIES
from tests.outside_networks import write_networks


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_networks(tmp_path)


def config(model: str, norm: str = "bn", **options: object) -> Config:
    name = model if ":" in model else f"mine.py:{model}"
    set_ = [(f"model.{key}", value, "") for key, value in options.items()]
    return load_config(None, REGISTRIES, [("model.name", name, ""), ("norm", norm, ""), *set_])


def made(model: str, norm: str = "bn", task: Task = CIFAR10, **options: object) -> nn.Module:
    return build_network(config(model, norm, **options), task)


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in network.named_parameters() if "norm" not in name}


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_that_asks_gets_layers_of_every_norm_and_the_same_weights(norm: str) -> None:
    network, other = made("Net", norm), made("Net", "bn")
    assert {type(layer) for layer in norm_layers(network).values()} <= {type(network.norm1)}
    assert weights(network).keys() == weights(other).keys()
    assert all(torch.equal(value, weights(other)[name]) for name, value in weights(network).items())
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_norm_that_needs_the_size_of_its_input_gets_it() -> None:
    network = made("Net", "ln-chw", Task(3, (1, 20, 31)))
    assert [tuple(layer.weight.shape) for layer in norm_layers(network).values()] == [(8, 20, 31), (16, 9, 15)]


@pytest.mark.parametrize("model", ["Net", "flat", "open_ended"])
def test_the_task_fills_the_usual_parameters(model: str) -> None:
    assert made(model, task=Task(7, (1, 6, 6)))(torch.zeros(2, 1, 6, 6)).shape == (2, 7)


def test_plain_parameters_are_options() -> None:
    options = dict(config("Net", width=4, rate=1, widths=[3]).model.options)
    assert len(options.pop("sha256")) == 64
    assert options == {"width": 4, "rate": 1.0, "widths": (3,)}
    assert made("Net", width=4).conv1.out_channels == made("open_ended", width=4).conv1.out_channels == 4


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("Net", {"widht": 4}, "did you mean 'width'"),
        ("Net", {"width": "wide"}, "model.width: must be a whole number"),
        ("Net", {"num_classes": 4}, "unknown mine.py:Net option 'num_classes'"),
        ("needs", {}, "needs the option 'width'"),
        ("positional", {}, "'width' must be one that can be given by name"),
        ("made", {}, "is a network that is made already"),
        ("text", {}, "is str, not a class"),
        ("NoModule", {}, "is the class NoModule, not a class of networks"),
        ("nowhere", {}, "has no 'nowhere'"),
        ("nofile.py:Net", {}, "there is no file nofile.py"),
        ("mine.py:", {}, "name the class or the function in the file, such as mine.py:positional, mine.py:number"),
    ],
)
def test_what_a_config_cannot_say(model: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(model, **options)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("fixed_size", "fails on images [3, 20, 20] in layer 0 (Conv2d), which gets [2, 3, 20, 20]: RuntimeError"),
        ("thousand_classes", "returns float32 [2, 1000] for 2 images of 10 classes, not logits [B, 10]"),
        ("pair", "returns tuple in evaluation mode"),
        ("vectors", "fails on images"),
        ("numpy_weights", "something else than torch's generator"),
        ("fused", "act_layer"),
        ("lazy", "layer 0 (LazyConv2d) is lazy"),
        ("Fails", "(mine.py, line "),
        ("Cannot", "cannot be made: ValueError: too (mine.py, line "),
        ("number", "makes int, not an nn.Module"),
    ],
)
def test_a_network_that_cannot_be_trained_is_one_sentence(model: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(model, task=Task(10, (3, 20, 20)))
    assert said in str(caught.value) and f"'mine.py:{model}'" in str(caught.value) and "\n" not in str(caught.value)


def test_a_norm_of_vectors_is_refused_with_its_layer() -> None:
    with pytest.raises(ConfigError, match=r"layer 2: its norm is made for 16 channels and gets \[2, 16\]"):
        made("vectors")


def test_groups_that_do_not_divide_name_all_channel_counts() -> None:
    with pytest.raises(ConfigError, match=r"\(6, 12\)"):
        build_network(config("Net", "gn", width=6), CIFAR10)


def test_a_network_that_does_not_ask_has_its_norms_exchanged() -> None:
    network = made("exchanged", "gn")
    assert [(row.paths, row.now) for row in exchanged_layers(network)] == [(("1",), "GroupNorm")]
    assert not exchanged_layers(made("Net", "gn"))


def test_exchange_is_a_switch_for_networks_that_ask() -> None:
    assert "exchange" not in config("Net").model.options
    assert warnings_about(made("has_other_norms"))
    with pytest.raises(ConfigError, match="norm"):
        made("has_other_norms", "gn", exchange=True)  # Net needs its norm


def test_standardized_weights_are_for_networks_that_take_the_class_of_their_convs() -> None:
    with_ws = Config(model=config("with_convs").model, norm=Choice("gn", {"num_groups": 2, "ws": True}))
    assert type(build_network(with_ws, CIFAR10)[0]).__name__ == "StandardizedConv2d"  # type: ignore[index]
    with pytest.raises(ConfigError, match=r"norm\.ws"):
        build_network(with_ws.model_copy(update={"model": config("Net").model}), CIFAR10)


def test_a_norm_with_an_activation_is_told_where_the_network_does_not_look_for_it() -> None:
    assert "has_activation" in warnings_about(made("Net", "frn"))[0]
    assert not warnings_about(made("Net", "dyt"))


def test_a_network_that_ends_in_a_softmax_is_told() -> None:
    assert "softmax" in warnings_about(made("ends_in_softmax"))[0]
    assert not warnings_about(made("ends_in_softmax", logarithm=True))


@pytest.mark.parametrize("name", ["torchvision.models:resnet18", "torchvision:mobilenet_v2"])
def test_constructors_of_torchvision_work_as_they_are(name: str) -> None:
    network = made(name, "ln")
    assert not exchanged_layers(network)
    assert {type(layer).__name__ for layer in norm_layers(network).values()} == {"GroupNorm"}
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_constructors_without_a_parameter_for_norms_have_theirs_exchanged() -> None:
    assert len(exchanged_layers(made("torchvision:shufflenet_v2_x0_5", "ln"))) == 56

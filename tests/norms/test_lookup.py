"""Norms by import path and entry point, weight standardization, and what a config says about them."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from normbench.config import load_config
from normbench.errors import ConfigError
from normbench.models.count import count_norms, count_parameters, norm_layers
from normbench.models.registry import MODELS
from normbench.models.summary import summarize
from normbench.models.task import CIFAR10
from normbench.norms import NORM_REGISTRY, NORMS, norm_label
from normbench.norms.weight_standardization import StandardizedConv2d
from normbench.runs.build import build_network
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import run_id
from tests.installed_norms import install_norms
from tests.tiny import invoke, make_folder

MODULE = '''
import torch
from torch import nn

class Scale(nn.Module):
    """My norm: each value times a learned scale.

    More about it."""

    def __init__(self, num_channels: int, *, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_channels, 1, 1), start) + torch.rand(()))

    def forward(self, x):
        return x * self.weight

def centered(*, eps: float = 1e-5):
    return lambda num_channels, size: nn.Sequential(nn.LayerNorm([num_channels, *size], eps=eps), nn.Hardtanh())

class Nested(nn.Module):
    def __init__(self, num_channels):
        super().__init__()
        self.inner = nn.BatchNorm2d(num_channels)

    def forward(self, x):
        return self.inner(x) * 2

class TwoArguments(nn.Module):
    def __init__(self, num_channels, size): ...

def takes_channels(num_channels): ...
def makes_a_number(*, eps: float = 1.0): return lambda num_channels, size: 3
def gives_a_number(): return 3
def has_ws(*, ws: int = 3): ...
def odd_annotation(*, eps: "Nowhere" = 3): ...
number = 3
'''


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_norms.py").write_text(MODULE)
    (tmp_path / "broken_norms.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)


def network(kind: str, **options: object) -> nn.Module:
    norm, conv = NORM_REGISTRY[kind](**options)
    return MODELS["reference"](norm, CIFAR10, conv)


def config_of(*settings: str, source: str | Path = "default"):
    return load_config(source, REGISTRIES, [(*text.split("=", 1), f"--set {text}") for text in settings])


def problem(*settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config_of(*settings)
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_layer_class_of_the_users_is_a_norm_with_its_options(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("extends: default.yaml\nnorm: {kind: 'my_norms:Scale', start: 2.0}\n")
    config = config_of(source=tmp_path / "my.yaml")
    assert dict(config.norm.options) == {"start": 2.0}
    built = build_network(config, CIFAR10)
    assert count_norms(built) == {"norm_layers": {"Scale": 8}, "norm_parameters": 208, "norm_buffers": 0}
    assert norm_label(config.norm.name, config.norm.options) == "Scale(start=2.0)"
    assert run_id(config).startswith("Scale-s0-")


def test_its_draws_leave_the_weights_around_it_as_with_any_norm() -> None:
    convs = [
        [
            layer.weight
            for layer in build_network(config_of(f"norm.kind={kind}"), CIFAR10).modules()
            if isinstance(layer, nn.Conv2d)
        ]
        for kind in ("bn", "my_norms:Scale")
    ]
    assert all(torch.equal(first, second) for first, second in zip(*convs, strict=True))


def test_a_function_of_the_users_gives_a_factory_like_ours() -> None:
    built = network("my_norms:centered", eps=0.1)
    layers = norm_layers(built)
    assert [type(layer) for layer in layers.values()] == [nn.Sequential] * 8
    assert next(iter(layers)) == "Sequential-3"  # the row of its last layer
    assert all(layer[0].eps == 0.1 for layer in layers.values())


def test_a_norm_with_layers_inside_counts_once_and_is_called_as_its_row() -> None:
    built = network("my_norms:Nested")
    assert count_norms(built) == {"norm_layers": {"Nested": 8}, "norm_parameters": 416, "norm_buffers": 424}
    rows = {layer.name for layer in summarize(built, CIFAR10.image_shape).layers if layer.name.startswith("Nested")}
    assert set(norm_layers(built)) == rows


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nowhere.norms:Scale", "there is no module 'nowhere' in this folder"),
        ("my_norms:Missing", "my_norms has no 'Missing'"),
        ("broken_norms:Scale", "cannot be imported: ZeroDivisionError: division by zero"),
        ("my_norms:", "has the form package.module:Name"),
        ("../my_norms:Scale", "has the form package.module:Name"),
        ("my_norms:number", "is int, not a layer class or a function of options"),
        (
            "my_norms:TwoArguments",
            "must take num_channels and keyword-only options: missing a required argument: 'size'",
        ),
        ("my_norms:takes_channels", "must take no positional argument and keyword-only options"),
        ("my_norms:has_ws", "has an option 'ws'"),
        ("my_norms:odd_annotation", "its parameters cannot be read: NameError"),
        ("my_norm", "unknown norm 'my_norm': "),
    ],
)
def test_a_norm_that_is_none_is_answered_in_one_sentence(kind: str, message: str) -> None:
    assert message in problem(f"norm.kind={kind}")


@pytest.mark.parametrize(
    ("kind", "message"),
    [("makes_a_number", "makes int, not an nn.Module"), ("gives_a_number", "gives int, not a factory")],
)
def test_what_makes_no_layers_is_refused_when_the_network_is_built(kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(config_of(f"norm.kind=my_norms:{kind}"), CIFAR10)


def test_a_module_of_the_current_folder_is_found_and_nothing_else_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "norm_here.py").write_text(
        "import helper_here\nfrom torch import nn\nclass Norm(nn.Identity):\n"
        "    def __init__(self, num_channels): super().__init__()\n"
    )
    for name in ("helper_here", "csv", "other_here"):  # csv is Python's own
        (tmp_path / f"{name}.py").write_text("here = True\n")
    monkeypatch.chdir(tmp_path)
    path = [entry for entry in sys.path if entry not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", path)
    assert network("norm_here:Norm")
    assert sys.path == path
    assert importlib.util.find_spec("other_here") is None
    assert "csv has no 'here'" in problem("norm.kind=csv:here")


def test_the_command_line_answers_with_exit_code_2() -> None:
    command = [sys.executable, "-m", "normbench", "summary", "--norm", "nowhere:X"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "normbench: --norm nowhere:X: norm.kind: norm 'nowhere:X': there is no module 'nowhere' in this "
        "folder and none that is installed; if nowhere.py is in another folder, give its path, path/to/nowhere.py:X\n"
    )


def test_it_trains_with_weight_standardization_and_its_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMBENCH_CACHE", str(tmp_path / "cache"))
    results, images = tmp_path / "results", make_folder(tmp_path / "images")
    words = ("--norm", "my_norms:Scale", "--set", "norm.ws=true", "--set", "norm.start=0.1", "--epochs", 1)
    where = ("--data", "folder", "--data-dir", images, "--results", results, "--device", "cpu")
    result = invoke("train", *words, *where)
    assert result.exit_code == 0, result.output
    (path,) = results.rglob("run.json")
    record = json.loads(path.read_text())
    assert record["label"] == "Scale(start=0.1)+WS"
    assert record["config"]["norm"] == {"kind": "my_norms:Scale", "start": 0.1, "ws": True}
    assert record["model"]["norm_layers"] == {"Scale": 8}
    assert path.parent.name.startswith("Scale-s0-")
    again = invoke("train", "--config", path.parent / "config.yaml", "--results", results, "--device", "cpu")
    assert "finished already" in again.output  # the written config is the same run
    del sys.modules["my_norms"]
    (tmp_path / "my_norms.py").write_text("raise SystemExit('imported')")
    compared = invoke("compare", results, "--format", "json")  # what is only read is not imported
    assert [row["norm"] for row in json.loads(compared.stdout)["norms"]] == ["Scale(start=0.1)+WS"]


def test_options_of_the_users_norm_are_checked_like_ours() -> None:
    assert "did you mean 'start'? known: start, ws" in problem("norm.kind=my_norms:Scale", "norm.starts=3")
    assert "norm.start: must be a number, found 'fast'" in problem("norm.kind=my_norms:Scale", "norm.start=fast")


def test_an_entry_point_is_a_name_like_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_norms(tmp_path, monkeypatch, scale="my_norms:Scale", gone="gone:X")
    assert list(NORM_REGISTRY) == [*NORMS, "scale", "gone"]
    assert len(NORM_REGISTRY) == len(NORMS) + 2
    assert count_norms(build_network(config_of("norm.kind=scale"), CIFAR10))["norm_layers"] == {"Scale": 8}
    assert norm_label("scale", {}) == "SCALE"
    assert "norm 'gone' (gone:X) cannot be imported: ModuleNotFoundError" in problem("norm.kind=gone")
    assert "unknown bn option 'num_groups'" in problem("norm.num_groups=3")  # asks nothing of what is gone


@pytest.mark.parametrize("kind", NORMS)
def test_ws_stands_beside_the_options_of_any_norm(kind: str) -> None:
    built = build_network(config_of(f"norm.kind={kind}", "norm.ws=true"), CIFAR10)
    convs = [layer for layer in built.modules() if isinstance(layer, nn.Conv2d)]
    assert [type(conv) for conv in convs] == [StandardizedConv2d] * 12 + [nn.Conv2d]  # the last is the classifier
    assert count_parameters(built) == count_parameters(build_network(config_of(f"norm.kind={kind}"), CIFAR10))


def test_ws_is_a_norm_of_its_own_and_off_it_changes_no_run() -> None:
    off, on = config_of("norm.kind=gn"), config_of("norm.kind=gn", "norm.ws=true")
    assert off == config_of("norm.kind=gn", "norm.ws=false")
    assert "ws" not in off.to_dict()["norm"]
    assert on.to_dict()["norm"]["ws"] is True
    assert run_id(on) != run_id(off)
    assert norm_label("gn", on.norm.options) == "GN(4)+WS"


def test_runs_from_before_the_shelf_keep_their_place() -> None:
    recorded = Path(__file__).parents[2] / "results/published/batch-size/bn-s0-017802a8"
    config = config_of(source=recorded / "config.yaml")
    record = json.loads((recorded / "run.json").read_text())
    assert run_id(config) == recorded.name
    assert config.to_dict()["norm"] == record["config"]["norm"]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_standardized_filters_are_the_formula_with_their_gradients(memory_format: torch.memory_format) -> None:
    conv = StandardizedConv2d(3, 4, 3, padding=1).double().to(memory_format=memory_format)
    with torch.no_grad():
        conv.weight.mul_(0.01).add_(0.02)  # small enough that the 1e-5 counts
    x = torch.randn(2, 3, 6, 5).double().contiguous(memory_format=memory_format).requires_grad_()
    weight = conv.weight.detach().clone().requires_grad_()
    count = 3 * 3 * 3
    mean = weight.sum((1, 2, 3), keepdim=True) / count
    variance = ((weight - mean) ** 2).sum((1, 2, 3), keepdim=True) / count
    expected = nn.functional.conv2d(x, (weight - mean) / (variance + 1e-5) ** 0.5, conv.bias, padding=1)
    y = conv(x)
    torch.testing.assert_close(y, expected)
    upstream = torch.randn_like(y)
    found = torch.autograd.grad(y, [x, conv.weight, conv.bias], upstream)
    wanted = torch.autograd.grad(expected, [x, weight, conv.bias], upstream)
    for gradient, gradient_by_hand in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, gradient_by_hand)

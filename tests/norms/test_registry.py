"""What holds for every norm: layouts, types, devices, options, labels. Their formulas: test_formulas.py."""

import inspect
import re

import pytest
import torch
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.models.count import count_norms, count_parameters
from normbench.models.registry import MODELS
from normbench.models.task import CIFAR10
from normbench.norms import NORMS, norm_label
from normbench.norms.factory import ChannelCountError
from tests.oracles import randomize

BATCH, CHANNELS, HEIGHT, WIDTH = 3, 8, 5, 4


def make_layer(kind: str, **options: object) -> nn.Module:
    if kind in ("gn", "evo-s0"):
        options.setdefault("num_groups", 2)
    return NORMS[kind](**options)(CHANNELS, (HEIGHT, WIDTH)).double()


def make_images(seed: int) -> Tensor:
    """Channels and images of clearly different mean and spread, so that the wrong axes give other numbers."""
    generator = torch.Generator().manual_seed(seed)
    noise, offset, spread = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((BATCH, CHANNELS, HEIGHT, WIDTH), (BATCH, CHANNELS, 1, 1), (BATCH, CHANNELS, 1, 1))
    )
    return noise * spread.exp() + 2 * offset


@pytest.mark.parametrize("size", [1, 8, 20, 32])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_is_the_same_in_both_layouts(size: int, affine: bool) -> None:
    generator = torch.Generator().manual_seed(size)
    layer = NORMS["gn"](num_groups=4, affine=affine)(48, (size, size))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(48, generator=generator))
    x, upstream = (torch.randn(2, 48, size, size, generator=generator) for _ in range(2))
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        images = x.contiguous(memory_format=memory_format).requires_grad_()
        y = layer(images)
        assert y.is_contiguous(memory_format=memory_format)
        results.append((y.detach(), *torch.autograd.grad(y, [images, *layer.parameters()], upstream)))
        with torch.no_grad():
            assert torch.equal(layer(images), results[-1][0])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", [True, False])
def test_none_passes_its_input_on(mode: bool) -> None:
    x = make_images(1).requires_grad_()
    layer = make_layer("none").train(mode)
    assert layer(x) is x
    assert count_parameters(layer) == 0


@pytest.mark.parametrize(
    ("kind", "num_parameters", "num_buffers"),
    [
        ("bn", 16, 17),
        ("gn", 16, 0),
        ("ln", 16, 0),
        ("ln-chw", 320, 0),
        ("ln-c", 16, 0),
        ("rms", 8, 0),
        ("in", 16, 0),
        ("gbn", 16, 17),
        ("brn", 16, 17),
        ("pn", 16, 17),
        ("frn", 24, 0),
        ("evo-s0", 24, 0),
        ("dyt", 17, 0),
        ("none", 0, 0),
    ],
)
def test_what_it_learns_and_stores(kind: str, num_parameters: int, num_buffers: int) -> None:
    layer = make_layer(kind)
    assert count_parameters(layer) == num_parameters
    assert sum(buffer.numel() for buffer in layer.buffers()) == num_buffers


def test_group_norm_between_layer_and_instance_norm() -> None:
    x = make_images(4)
    torch.testing.assert_close(make_layer("gn", num_groups=1)(x), make_layer("ln")(x))
    torch.testing.assert_close(make_layer("gn", num_groups=CHANNELS)(x), make_layer("in")(x))


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("mode", [True, False])
def test_keeps_the_memory_layout(kind: str, memory_format: torch.memory_format, mode: bool) -> None:
    layer = NORMS[kind]()(16, (8, 8)).train(mode)
    x = torch.randn(3, 16, 8, 8).contiguous(memory_format=memory_format).requires_grad_()
    y = layer(x)
    assert y.is_contiguous(memory_format=memory_format)
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    if memory_format == torch.channels_last:  # what networks train in
        assert gradient.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_bfloat16_images_stay_so_and_are_rounded_once(kind: str, memory_format: torch.memory_format) -> None:
    """Statistics in float32: the output is that of the float32 layer within two of bfloat16's roundings."""
    layer = NORMS[kind]()(16, (8, 8))
    x = (torch.randn(3, 16, 8, 8, generator=torch.Generator().manual_seed(0)) * 3 + 5).bfloat16()
    x = x.contiguous(memory_format=memory_format)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x.requires_grad_())
    assert y.dtype == torch.bfloat16
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x.detach().float()), rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize("kind", NORMS)
def test_saved_and_loaded_it_gives_the_same(kind: str) -> None:
    trained, fresh = make_layer(kind), make_layer(kind)
    if list(trained.parameters()):
        randomize(trained)
    for seed in (1, 2):
        trained(make_images(seed))
    fresh.load_state_dict(trained.state_dict())
    x = make_images(3)
    assert torch.equal(trained(x), fresh(x))  # the next step in training, then in eval mode
    assert torch.equal(trained.eval()(x), fresh.eval()(x))


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in NORMS if kind != "none"])
def test_computes_where_its_images_are(kind: str, affine: bool, mode: bool) -> None:
    """On the device without memory, which refuses what lies on another."""
    layer = NORMS[kind](affine=affine)(16, (8, 8)).to("meta").train(mode)
    y = layer(torch.empty(3, 16, 8, 8, device="meta"))
    assert (y.device.type, y.shape) == ("meta", (3, 16, 8, 8))


@pytest.mark.parametrize("kind", NORMS)
def test_draws_nothing(kind: str) -> None:
    state = torch.get_rng_state()
    make_layer(kind)(make_images(1))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", NORMS)
def test_every_option_is_keyword_only_with_a_default(kind: str) -> None:
    parameters = inspect.signature(NORMS[kind]).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)


@pytest.mark.parametrize("kind", NORMS)
def test_docstring_has_the_formula(kind: str) -> None:
    assert "y = " in (NORMS[kind].__doc__ or "")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", NORMS)
def test_layers_are_recognised_in_a_network(kind: str, model: str) -> None:
    """What a factory builds, `run.json` counts."""
    found = count_norms(MODELS[model](NORMS[kind](), CIFAR10))["norm_layers"]
    assert sum(found.values()) == (0 if kind == "none" else 8)


@pytest.mark.parametrize("kind", [kind for kind in NORMS if kind not in ("dyt", "none")])
@pytest.mark.parametrize("eps", [0.0, -1e-5, float("nan")])
def test_refuses_a_bad_eps(kind: str, eps: float) -> None:
    with pytest.raises(ConfigError, match=r"norm\.eps must be above 0"):
        NORMS[kind](eps=eps)


@pytest.mark.parametrize("kind", ["bn", "gbn", "brn"])
@pytest.mark.parametrize("momentum", [0.0, -0.1, 1.5])
def test_refuses_a_bad_momentum(kind: str, momentum: float) -> None:
    with pytest.raises(ConfigError, match=r"norm\.momentum .* not"):
        NORMS[kind](momentum=momentum)


@pytest.mark.parametrize(
    ("kind", "option", "value", "message"),
    [
        ("gbn", "ghost_size", 0, "at least 1, not 0"),
        ("evo-s0", "num_groups", 0, "at least 1, not 0"),
        ("brn", "r_max", 0.9, "at least 1, not 0.9"),
        ("brn", "d_max", -1.0, "at least 0, not -1.0"),
        ("brn", "warmup_steps", -1, "at least 0, not -1"),
        ("brn", "r_steps", 499, "499 comes before norm.warmup_steps"),
        ("brn", "d_steps", 0, "0 comes before norm.warmup_steps"),
        ("dyt", "alpha", 0.0, "above 0, not 0.0"),
    ],
)
def test_refuses_a_bad_option(kind: str, option: str, value: float, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"norm\.{option}.*{re.escape(message)}"):
        NORMS[kind](**{option: value})


def test_refuses_less_than_one_group() -> None:
    with pytest.raises(ConfigError, match=r"norm\.num_groups must be at least 1, not 0"):
        NORMS["gn"](num_groups=0)


@pytest.mark.parametrize("kind", ["gn", "evo-s0"])
def test_groups_have_the_same_number_of_channels_in_every_layer(kind: str) -> None:
    norm = NORMS[kind](channels_per_group=8)
    assert [norm(channels, (4, 4)).num_groups for channels in (8, 24, 64)] == [1, 3, 8]
    with pytest.raises(ChannelCountError, match=r"norm\.channels_per_group: 8 .*allowed: 1, 2, 3, 4, 6, 12$") as caught:
        norm(12, (4, 4))
    assert str(caught.value.for_network([12, 20])).endswith("(12, 20); allowed: 1, 2, 4")
    with pytest.raises(ConfigError, match=r"norm\.channels_per_group must be at least 1"):
        NORMS[kind](channels_per_group=0)
    with pytest.raises(ConfigError, match=r"norm\.num_groups: 8 .*norm\.channels_per_group: 2"):
        NORMS[kind](num_groups=8, channels_per_group=2)


@pytest.mark.parametrize("kind", ["gn", "evo-s0"])
def test_groups_that_do_not_divide_are_answered_with_those_that_do(kind: str) -> None:
    with pytest.raises(ChannelCountError, match=r"3 does not divide .*\(16\); allowed: 1, 2, 4, 8, 16$") as caught:
        NORMS[kind](num_groups=3)(16, (4, 4))
    assert caught.value.exit_code == 2
    assert str(caught.value.for_network([16, 24, 36])).endswith("(16, 24, 36); allowed: 1, 2, 4")


@pytest.mark.parametrize(
    ("kind", "options", "label"),
    [
        ("bn", {}, "BN"),
        ("bn", {"momentum": 0.01}, "BN(momentum=0.01)"),
        ("bn", {"momentum": 0.1, "eps": 1e-5, "affine": True}, "BN"),
        ("gn", {}, "GN(4)"),
        ("gn", {"num_groups": 8}, "GN(8)"),
        ("gn", {"num_groups": 4, "channels_per_group": 16}, "GN(channels_per_group=16)"),
        ("gn", {"affine": False, "num_groups": 2}, "GN(2, affine=False)"),
        ("ln", {}, "LN"),
        ("ln-chw", {"affine": False}, "LN-CHW(affine=False)"),
        ("in", {"eps": 0.001}, "IN(eps=0.001)"),
        ("gbn", {}, "GBN(16)"),
        ("brn", {"r_max": 2.0}, "BRN(r_max=2.0)"),
        ("evo-s0", {"num_groups": 2}, "EVO-S0(2)"),
        ("gn", {"ws": True}, "GN(4)+WS"),
        ("bn", {"ws": False}, "BN"),
        ("none", {}, "none"),
    ],
)
def test_label(kind: str, options: dict[str, object], label: str) -> None:
    assert norm_label(kind, options) == label


def test_label_of_an_unknown_norm() -> None:
    with pytest.raises(ConfigError, match="did you mean 'gn'"):
        norm_label("gnn", {})

"""Each norm against its formula in float64, with all its gradients; and how norms with stored statistics move them."""

import pytest
import torch
from torch import Tensor, nn

from normbench.norms import NORMS
from tests.oracles import EPS, FORMULAS, Formula, Parameters, for_formula, options_for, randomize, standardized

CHANNELS, HEIGHT, WIDTH = 8, 5, 4
PER_BATCH = ("bn", "gbn", "brn", "pn")  # eval mode is tested below


def make_layer(kind: str, **options: object) -> nn.Module:
    return NORMS[kind](**(options_for(kind) | options))(CHANNELS, (HEIGHT, WIDTH)).double()


def make_images(seed: int, batch: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    offset, spread = (torch.randn(batch, CHANNELS, 1, 1, generator=generator).double() for _ in range(2))
    return torch.randn(batch, CHANNELS, HEIGHT, WIDTH, generator=generator).double() * spread.exp() + offset


def assert_is(
    layer: nn.Module,
    formula: Formula,
    x: Tensor,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> None:
    """Output and the gradients of x and of every parameter are those of the formula."""
    by_hand = {name: parameter.detach().clone().requires_grad_() for name, parameter in layer.named_parameters()}
    images = [x.clone(memory_format=memory_format).requires_grad_(), x.clone().requires_grad_()]
    y, expected = layer(images[0]), formula(images[1], for_formula(by_hand))
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
    upstream = torch.randn(x.shape, generator=torch.Generator().manual_seed(7)).double()
    found = torch.autograd.grad(y, [images[0], *layer.parameters()], upstream)
    wanted = torch.autograd.grad(expected, [images[1], *by_hand.values()], upstream)
    for gradient, gradient_by_hand in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, gradient_by_hand, rtol=1e-9, atol=1e-9)


def test_every_norm_has_a_formula() -> None:
    assert FORMULAS.keys() == NORMS.keys()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("kind", FORMULAS)
def test_train_mode_is_the_formula(kind: str, batch_size: int, memory_format: torch.memory_format) -> None:
    layer = make_layer(kind).train()
    randomize(layer)
    assert_is(layer, FORMULAS[kind], make_images(1, batch_size), memory_format)


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("kind", [kind for kind in FORMULAS if kind not in PER_BATCH])
def test_eval_mode_is_the_same_formula(kind: str, batch_size: int) -> None:
    layer = make_layer(kind).eval()
    randomize(layer)
    assert_is(layer, FORMULAS[kind], make_images(1, batch_size))


@pytest.mark.parametrize("kind", [kind for kind in FORMULAS if kind != "none"])
def test_without_affine_it_is_the_formula_with_one_and_zero(kind: str) -> None:
    layer = make_layer(kind, affine=False)
    ones, zeros = torch.ones(CHANNELS, 1, 1).double(), torch.zeros(CHANNELS, 1, 1).double()
    own = for_formula(dict(layer.named_parameters()))
    x = make_images(2)
    torch.testing.assert_close(layer(x), FORMULAS[kind](x, {"weight": ones, "bias": zeros, **own}))


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("frn", {"weight": 1.0, "bias": 0.0, "tau": 0.0}),
        ("evo-s0", {"weight": 1.0, "bias": 0.0, "v": 1.0}),
        ("dyt", {"alpha": 0.5, "weight": 1.0, "bias": 0.0}),
        ("rms", {"weight": 1.0}),
        *((kind, {"weight": 1.0, "bias": 0.0}) for kind in ("bn", "gn", "ln", "ln-chw", "ln-c", "in", "gbn", "pn")),
        ("brn", {"weight": 1.0, "bias": 0.0}),
    ],
)
def test_starts_as_documented(kind: str, start: dict[str, float]) -> None:
    found = dict(make_layer(kind).named_parameters())
    assert {name: set(value.flatten().tolist()) for name, value in found.items()} == {
        name: {one} for name, one in start.items()
    }


@pytest.mark.parametrize("kind", PER_BATCH)
def test_one_value_a_channel_cannot_be_trained_on(kind: str) -> None:
    layer = NORMS[kind]()(CHANNELS, (1, 1)).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(torch.ones(1, CHANNELS, 1, 1))
    assert layer.eval()(torch.ones(1, CHANNELS, 1, 1)).isfinite().all()


def test_a_ghost_of_one_value_a_channel_cannot_be_trained_on_either() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        NORMS["gbn"](ghost_size=2)(CHANNELS, (1, 1))(torch.ones(5, CHANNELS, 1, 1))


def test_ghosts_move_the_running_statistics_one_after_the_other() -> None:
    layer, x = make_layer("gbn", momentum=0.3), make_images(3)
    layer(x)
    mean, variance = torch.zeros(CHANNELS).double(), torch.ones(CHANNELS).double()
    for ghost in (x[:2], x[2:4], x[4:]):
        mean = 0.7 * mean + 0.3 * ghost.mean((0, 2, 3))
        variance = 0.7 * variance + 0.3 * ghost.var((0, 2, 3), correction=1)
    torch.testing.assert_close(layer.running_mean, mean)
    torch.testing.assert_close(layer.running_var, variance)
    assert layer.num_batches_tracked == 3
    mean, variance = mean[:, None, None], variance[:, None, None]
    assert_is(layer.eval(), lambda x, p: p["weight"] * (x - mean) / (variance + EPS) ** 0.5 + p["bias"], x)


def test_batch_norm_in_eval_mode_uses_the_running_statistics() -> None:
    layer = make_layer("bn", momentum=0.3)
    batches = [make_images(11), make_images(12)]
    running_mean, running_var = torch.zeros(CHANNELS).double(), torch.ones(CHANNELS).double()
    for batch in batches:
        layer.train()(batch)
        running_mean = 0.7 * running_mean + 0.3 * batch.mean((0, 2, 3))
        running_var = 0.7 * running_var + 0.3 * batch.var((0, 2, 3), correction=1)
    torch.testing.assert_close(layer.running_mean, running_mean)
    torch.testing.assert_close(layer.running_var, running_var)
    assert layer.num_batches_tracked == len(batches)
    mean, variance = running_mean[:, None, None], running_var[:, None, None]
    randomize(layer)
    assert_is(
        layer.eval(), lambda x, p: p["weight"] * (x - mean) / (variance + EPS) ** 0.5 + p["bias"], make_images(13)
    )
    torch.testing.assert_close(layer.running_mean, running_mean)  # eval mode moved nothing


def test_ghosts_as_large_as_the_batch_are_batch_norm() -> None:
    x = make_images(4)
    torch.testing.assert_close(make_layer("gbn", ghost_size=5)(x), make_layer("bn")(x))


# Batch renormalization


def test_renormalization_is_the_formula_and_moves_its_statistics() -> None:
    options = {"r_max": 1.2, "d_max": 0.3, "warmup_steps": 0, "r_steps": 1, "d_steps": 1, "momentum": 0.2}
    layer = make_layer("brn", **options)
    randomize(layer)
    running_mean, running_std = torch.zeros(CHANNELS).double(), torch.ones(CHANNELS).double()
    clipped = []
    for step, seed in enumerate(range(20, 24)):
        x = make_images(seed)
        mean = x.mean((0, 2, 3))
        std = (((x - mean[:, None, None]) ** 2).mean((0, 2, 3)) + EPS) ** 0.5
        r_max, d_max = (1.2, 0.3) if step else (1.0, 0.0)
        raw_r, raw_d = std / running_std, (mean - running_mean) / running_std
        r, d = raw_r.clamp(1 / r_max, r_max), raw_d.clamp(-d_max, d_max)
        clipped += [(raw_r != r).any(), (raw_d != d).any()]

        def formula(x: Tensor, p: Parameters, r: Tensor = r[:, None, None], d: Tensor = d[:, None, None]) -> Tensor:
            return p["weight"] * (standardized(x, (0, 2, 3)) * r + d) + p["bias"]

        assert_is(layer, formula, x)
        running_mean = 0.8 * running_mean + 0.2 * mean
        running_std = 0.8 * running_std + 0.2 * std
        torch.testing.assert_close(layer.running_mean, running_mean)
        torch.testing.assert_close(layer.running_std, running_std)
    assert all(clipped)
    m, s = running_mean[:, None, None], running_std[:, None, None]
    assert_is(layer.eval(), lambda x, p: p["weight"] * (x - m) / s + p["bias"], make_images(30))
    assert layer.num_batches_tracked == 4


def test_within_its_bounds_it_trains_with_what_it_is_evaluated_with() -> None:
    layer = make_layer("brn", r_max=100.0, d_max=100.0, warmup_steps=0, r_steps=1, d_steps=1)
    layer(make_images(1))
    x = make_images(2)
    expected = layer.eval()(x)
    torch.testing.assert_close(layer.train()(x), expected)


@pytest.mark.parametrize(
    ("step", "r_max", "d_max"),
    [(0, 1.0, 0.0), (500, 1.0, 0.0), (1500, 1 + 2 * 1000 / 3500, 2.5), (2500, 1 + 2 * 2000 / 3500, 5.0), (4000, 3, 5)],
)
def test_the_bounds_widen_with_the_steps(step: int, r_max: float, d_max: float) -> None:
    layer = make_layer("brn")
    layer.num_batches_tracked.fill_(step)
    assert [float(bound) for bound in layer.bounds()] == pytest.approx([r_max, d_max])


# Precise batch norm


def test_precise_batch_norm_is_evaluated_with_the_statistics_it_was_given() -> None:
    layer, x = make_layer("pn"), make_images(6, batch=7)
    randomize(layer)
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    layer.running_mean.copy_(mean.flatten())
    layer.running_var.copy_(variance.flatten())
    layer.eval()
    assert_is(layer, lambda x, p: p["weight"] * (x - mean) / (variance + EPS) ** 0.5 + p["bias"], make_images(8))


def test_training_leaves_the_precise_statistics_alone() -> None:
    layer = make_layer("pn")
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.train()(make_images(1))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())

"""The fast dropout has the distribution of nn.Dropout and exactly the gradient of what it computed."""

import copy

import pytest
import torch
from scipy.special import bdtr, bdtrc
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.models.dropout import Dropout, dropouts_of, seed_dropouts


def make(p: float, seed: int | None = 0) -> Dropout:
    dropout = Dropout(p).train()
    if seed is not None:
        dropout.seed(seed)
    return dropout


def assert_binomial(num_dropped: int, count: int, p: float) -> None:
    """Exact two-sided binomial test at level 1e-4 (the seed is fixed: no flake)."""
    at_most, at_least = bdtr(num_dropped, count, p), bdtrc(num_dropped - 1, count, p)
    assert 2 * min(at_most, at_least) > 1e-4, f"{num_dropped} of {count} dropped at p = {p}"


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5, 0.9])
def test_every_position_in_a_word_is_dropped_with_probability_p(p: float) -> None:
    """Four elements share a random word: each of the four places, and neighbours jointly, must behave."""
    count = 400_000
    dropped = (make(p)(torch.ones(count)) == 0).reshape(-1, 4)
    for place in range(4):
        assert_binomial(int(dropped[:, place].sum()), count // 4, p)
    for place in range(3):
        both = dropped[:, place] & dropped[:, place + 1]
        assert_binomial(int(both.sum()), count // 4, p * p)
    across = dropped[:-1, 3] & dropped[1:, 0]
    assert_binomial(int(across.sum()), count // 4 - 1, p * p)


@pytest.mark.parametrize("p", [0.02, 0.1, 1 / 3, 0.5, 0.9999999])
def test_expectation_is_exact_for_the_quantised_p(p: float) -> None:
    """Kept values times the probability to be kept, a multiple of 2^-16, give back x to the last digits."""
    x = torch.ones(200_000, dtype=torch.float64)
    kept = make(p)(x)
    scale = kept[kept != 0].unique()
    keep = 1 - min(round(p * 65536), 65535) / 65536
    assert abs(keep - (1 - p)) <= 2**-16
    assert scale.tolist() == pytest.approx([1 / keep], rel=1e-15)


@pytest.mark.parametrize("p", [0.02, 0.5])
def test_gradient_is_the_same_mask_and_scale(p: float) -> None:
    x = torch.randn(4, 8, 6, 6, requires_grad=True)
    y = make(p)(x)
    upstream = torch.randn_like(y)
    y.backward(upstream)
    mask = (y != 0).float()
    scale = 1 / (1 - round(p * 65536) / 65536)
    torch.testing.assert_close(y, x * mask * scale)
    torch.testing.assert_close(x.grad, upstream * mask * scale)


def test_gradient_in_float64_against_differences() -> None:
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)

    def same_mask_each_time(x: Tensor) -> Tensor:
        return make(0.4, seed=3)(x)

    assert torch.autograd.gradcheck(same_mask_each_time, x)


def test_keeps_one_byte_an_element_for_the_backward_pass() -> None:
    saved: list[Tensor] = []
    x = torch.randn(64, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):  # type: ignore[func-returns-value]
        make(0.1)(x)
    assert sum(t.untyped_storage().nbytes() for t in saved) == x.numel()


@pytest.mark.parametrize("dropout", [Dropout(0.5).eval(), Dropout(0.0).train()])
def test_is_the_identity_in_eval_mode_and_at_p_0(dropout: Dropout) -> None:
    x, state = torch.randn(8), torch.get_rng_state()
    assert dropout(x) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_bfloat16_rounds_once() -> None:
    """x / keep rounded to bfloat16, and not x times a rounded scale."""
    x = torch.linspace(0.5, 2, 1000).bfloat16()
    y = make(0.02)(x)
    assert y.dtype is torch.bfloat16
    expected = (x.double() / (1 - round(0.02 * 65536) / 65536)).bfloat16()
    assert torch.equal(y[y != 0], expected[y != 0])
    assert 0 < int((y == 0).sum()) < 60


def layouts() -> dict[str, Tensor]:
    x = torch.randn(4, 8, 6, 5)
    return {
        "contiguous": x,
        "channels_last": x.to(memory_format=torch.channels_last),
        "transposed": x.transpose(1, 3),
        "one channel": x[:, :1].contiguous(memory_format=torch.channels_last),
        "not a multiple of 4": torch.randn(7, 3),
    }


@pytest.mark.parametrize("layout", layouts())
def test_keeps_shape_and_layout(layout: str) -> None:
    x = layouts()[layout]
    y = make(0.5)(x)
    assert (y.shape, y.stride()) == (x.shape, x.stride())
    assert torch.equal(y, make(0.5)(x))
    kept = y != 0
    assert torch.equal(y[kept], x[kept] * 2) and 0 < kept.float().mean() < 1


@pytest.mark.parametrize("x", [torch.randn(8, 10)[:, ::2], torch.randn(1, 5).expand(8, 5), torch.randn(0, 3)])
def test_tensors_with_gaps_repeats_or_nothing(x: Tensor) -> None:
    y = make(0.5)(x)
    kept = y != 0
    assert y.shape == x.shape and torch.equal(y[kept], x[kept] * 2)


def test_does_not_touch_its_input() -> None:
    x = torch.randn(100)
    before = x.clone()
    make(0.5)(x)
    assert torch.equal(x, before)


def test_a_seed_gives_a_stream_not_one_mask() -> None:
    x = torch.ones(1000)
    first = make(0.5, seed=1)
    masks = [first(x), first(x)]
    again = make(0.5, seed=1)
    assert not torch.equal(masks[0], masks[1])
    assert all(torch.equal(mask, again(x)) for mask in masks)
    assert not torch.equal(masks[0], make(0.5, seed=2)(x))
    first.seed(1)
    assert torch.equal(masks[0], copy.deepcopy(first)(x)) and torch.equal(masks[0], first(x))


def test_seeded_it_leaves_torchs_generator_alone_and_unseeded_follows_it() -> None:
    x, state = torch.ones(1000), torch.get_rng_state()
    make(0.5)(x)
    assert torch.equal(torch.get_rng_state(), state)
    unseeded = make(0.5, seed=None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        first, second = unseeded(x), unseeded(x)
        torch.manual_seed(7)
        assert torch.equal(first, unseeded(x)) and not torch.equal(first, second)


def test_each_layer_of_a_model_has_its_own_stream() -> None:
    model = nn.Sequential(Dropout(0.5), nn.Sequential(nn.ReLU(), Dropout(0.5)))
    x = torch.ones(1000)
    seed_dropouts(dropouts_of(model), 2**62 + 1)
    first, second = model[0](x), model[1][1](x)
    seed_dropouts(dropouts_of(model), 2**62 + 1)
    assert not torch.equal(first, second)
    assert torch.equal(first, model[0](x)) and torch.equal(second, model[1][1](x))


def test_the_mask_of_other_devices_has_the_same_distribution() -> None:
    """Runs on the CPU too: only the choice between the two depends on the device."""
    x = torch.ones(100_000)

    def kept_by(*seed: int) -> Tensor:
        dropout = Dropout(0.1).train()
        dropout.draw_from(torch.Generator())
        dropout.seed(*seed)
        return dropout(x) != 0

    kept = kept_by(3, 1)
    assert_binomial(int((~kept).sum()), len(x), 0.1)
    assert torch.equal(kept, kept_by(3, 1))
    assert not torch.equal(kept, kept_by(3, 2))


def test_it_draws_from_a_generator_it_was_given_until_that_is_taken_back() -> None:
    x, dropout = torch.ones(1000), make(0.5)
    before = dropout(x)
    generator = torch.Generator()
    dropout.draw_from(generator)
    dropout.seed(0)
    first, second = dropout(x), dropout(x)
    assert not torch.equal(first, second)
    dropout.seed(0)
    assert torch.equal(dropout(x), first)
    dropout.draw_from(None)
    dropout.seed(0)
    assert torch.equal(dropout(x), before)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_refuses_a_p_outside_0_to_1(p: float) -> None:
    with pytest.raises(ConfigError, match="dropout must be at least 0 and below 1"):
        Dropout(p)

"""Where one norm is another: the largest difference between their outputs on a random tensor."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.explain.layers import build_layer
from normbench.explain.shape import Shape

TOLERANCE = 1e-4  # float32 rounds at 1e-7 of values of a few units; sums of thousands lose two digits more


@dataclass(frozen=True)
class Comparison:
    """holds: the largest difference is within rounding. Where `expected` differs from it, a norm is broken."""

    claim: str
    when: str
    why: str
    largest_difference: float
    holds: bool
    expected: bool


@dataclass(frozen=True)
class Equivalence:
    shape: Shape
    seed: int
    tolerance: float
    comparisons: tuple[Comparison, ...]


@torch.no_grad()
def explain_equivalence(shape: Shape, seed: int) -> Equivalence:
    """Float32 x of `shape` N,C,H,W through pairs of the norms that training uses.

    GN with one group takes its statistics over C, H, W as layer norm does, with C groups over H, W as instance norm
    does (Wu & He 2018, arXiv:1803.08494, section 3.1). Raises ConfigError for images of one pixel.
    """
    if shape[2] * shape[3] < 2:
        raise ConfigError("--shape: H·W must be at least 2: instance norm cannot train on one value a channel")
    generator = torch.Generator().manual_seed(seed)
    channels = shape[1]
    x = 2 * torch.randn(shape, generator=generator) + torch.randn(shape[:2], generator=generator)[:, :, None, None]
    gamma, beta = (torch.randn(shape[1:], generator=generator) for _ in range(2))

    def make(kind: str, **options: int) -> nn.Module:
        return build_layer(kind, shape, options)

    gn_1, gn_c = make("gn", num_groups=1), make("gn", num_groups=channels)
    bn, ln_chw, instance = make("bn"), make("ln-chw"), make("in")
    tracking = nn.InstanceNorm2d(channels, affine=True, track_running_stats=True)
    per_channel = (gamma[:, 0, 0], beta[:, 0, 0])
    start, learned = "at the start", "γ and β learned"
    comparisons = (
        _compare("GN(1) = LN", start, "in normbench it is this layer", gn_1(x), make("ln")(x)),
        _compare("GN(1) = LN-CHW", start, "both over C, H and W", gn_1(x), ln_chw(x)),
        _compare(
            *("GN(1) = LN-CHW", learned, "LN-CHW's γ and β are per element"),
            *(_learned(gn_1, *per_channel)(x), _learned(ln_chw, gamma, beta)(x)),
            expected=False,
        ),
        _compare("GN(C) = IN", start, "both over H, W", gn_c(x), instance(x)),
        _compare(
            *("GN(C) = IN", learned, "γ and β are per channel in both"),
            *(_learned(gn_c, *per_channel)(x), _learned(instance, *per_channel)(x)),
        ),
        _compare("GN(C) = tracking IN", "training", "both use the image's statistics", gn_c(x), tracking.train()(x)),
        _compare(
            *("GN(C) = tracking IN", "eval", "the IN uses running statistics"),
            *(gn_c.eval()(x), tracking.eval()(x)),
            expected=False,
        ),
        _compare("BN = IN", "one image, training", "over N = 1 is over no more", bn.train()(x[:1]), instance(x[:1])),
        _compare(
            *("BN = IN", "one image, eval", "the BN uses running statistics"),
            *(bn.eval()(x[:1]), instance.eval()(x[:1])),
            expected=False,
        ),
    )
    return Equivalence(shape, seed, TOLERANCE, comparisons)


def _compare(claim: str, when: str, why: str, first: Tensor, second: Tensor, *, expected: bool = True) -> Comparison:
    largest = float((first - second).abs().max())
    return Comparison(claim, when, why, largest, largest <= TOLERANCE, expected)


def _learned(layer: nn.Module, gamma: Tensor, beta: Tensor) -> nn.Module:
    """A copy of the layer with γ and β as training might leave them."""
    copy = deepcopy(layer)
    copy.load_state_dict({**layer.state_dict(), "weight": gamma, "bias": beta})
    return copy

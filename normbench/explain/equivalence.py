"""Norms that compute the same: the largest difference between their outputs on a random tensor."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.explain.layers import build_layer
from normbench.explain.shape import Shape

TOLERANCE = 1e-4  # float32 has a relative precision of 1e-7; sums of thousands of values lose two or three digits


@dataclass(frozen=True)
class NormPair:
    """Two norms on one input. holds: the outputs differ by rounding only. expected: what `holds` should be."""

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
    comparisons: tuple[NormPair, ...]


@torch.no_grad()
def explain_equivalence(shape: Shape, seed: int) -> Equivalence:
    """Compares pairs of the norms that training uses on a random float32 tensor of `shape` N,C,H,W.

    GN with one group has the statistics of layer norm (over C, H, W), with C groups those of instance norm (over H, W):
    Wu & He 2018, arXiv:1803.08494, section 3.1. Raises ConfigError for images of one pixel.
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


def _compare(claim: str, when: str, why: str, first: Tensor, second: Tensor, *, expected: bool = True) -> NormPair:
    largest = float((first - second).abs().max())
    return NormPair(claim, when, why, largest, largest <= TOLERANCE, expected)


def _learned(layer: nn.Module, gamma: Tensor, beta: Tensor) -> nn.Module:
    """A copy of the layer with the given γ and β, as if training had moved them."""
    copy = deepcopy(layer)
    copy.load_state_dict({**layer.state_dict(), "weight": gamma, "bias": beta})
    return copy

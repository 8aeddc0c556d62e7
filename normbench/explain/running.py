"""Running statistics on a stream of small batches from a known distribution."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.explain.expected import expected_deviation, expected_variance
from normbench.explain.layers import build_layer, norms_for, options_for
from normbench.explain.shape import Shape, groups_for
from normbench.explain.stored import running_statistics
from normbench.norms import NORMS, norm_label

SHAPE: Shape = (2, 4, 2, 2)
SAMPLE_MEANS = (0.25, 0.75)
CHANNEL_STDS = (1.0, 2.0, 3.0, 4.0)
MAX_BATCHES = 100_000
LEAST_MOMENTUM = 1e-30  # a smaller one is nothing beside 1 in float32, or 0
HISTORY = 120  # points of a curve, evenly spaced on a logarithmic axis


@dataclass(frozen=True)
class Tracked:
    """The running mean and deviation of one layer.

    mean, std: [C], after the last batch. mean_limit, std_limit: [C], what they tend to; empty for a norm from outside.
    mean_history, std_history: [steps][C], after the batches counted in `steps`.
    """

    norm: str
    average: str
    """exponential: r ← (1 − momentum) r + momentum · batch; cumulative: the mean over all batches so far."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mean_limit: tuple[float, ...]
    std_limit: tuple[float, ...]
    steps: tuple[int, ...]
    mean_history: tuple[tuple[float, ...], ...]
    std_history: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class OutputMoments:
    """Mean and deviation of a norm's output in training mode over all batches, H and W: [N][C]."""

    norm: str
    mean: tuple[tuple[float, ...], ...]
    std: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Running:
    """What the layers made of the stream. true_mean, true_std: [C], of the distribution, its deviation in a sample."""

    num_batches: int
    momentum: float
    seed: int
    shape: Shape
    true_mean: tuple[float, ...]
    true_std: tuple[float, ...]
    tracked: tuple[Tracked, ...]
    outputs: tuple[OutputMoments, ...]


def explain_running(
    num_batches: int, momentum: float, seed: int = 0, chosen: Sequence[str] | None = None, groups: int | None = None
) -> Running:
    """Runs `num_batches` batches [2, 4, 2, 2] with x[n, c] ~ N(SAMPLE_MEANS[n], CHANNEL_STDS[c]²) through each norm.

    The means of the two samples differ. So the running variance of batch norm tends to CHANNEL_STDS² + 1/14: the
    variance of the sample means, 1/16, enters the unbiased variance of 8 values with the factor 8/7. Only instance
    norm's, of one sample, tends to CHANNEL_STDS². The start value 1 fades as (1 − momentum)^t. With momentum 0.001 a
    third of it is left after 1,000 batches, 2 % after 4,000.
    Raises ConfigError for a number of batches or a momentum out of range.
    """
    if not 1 <= num_batches <= MAX_BATCHES:
        raise ConfigError(f"--batches {num_batches} is out of range: 1 to {MAX_BATCHES:,}")
    if not LEAST_MOMENTUM <= momentum <= 1:
        raise ConfigError(f"--momentum {momentum} is out of range: {LEAST_MOMENTUM:g} (below, nothing moves) to 1")
    batches = stream(num_batches, seed)
    kinds = norms_for(SHAPE, chosen)
    tracked: dict[str, list[Tracked]] = {kind: [] for kind in kinds}
    outputs = []
    for kind in kinds:
        options = options_for(kind, SHAPE, num_groups=groups_for(SHAPE[1], groups), momentum=momentum)
        layer = build_layer(kind, SHAPE, options)
        passed = _pass(layer, batches)
        options.pop("momentum", None)  # has no effect on the output in training, so it is left out of the label
        outputs.append(_moments(norm_label(kind, options), passed.outputs))
        if passed.history:
            tracked[kind].append(_tracked(kind, "exponential", layer, passed.history))
    for kind, average, layer in _averaging_layers(momentum):
        if kind in kinds:
            tracked[kind].append(_tracked(kind, average, layer, _pass(layer, batches).history))
    true_mean = (fmean(SAMPLE_MEANS),) * len(CHANNEL_STDS)
    return Running(
        num_batches, momentum, seed, SHAPE, true_mean, CHANNEL_STDS, (*chain(*tracked.values()),), tuple(outputs)
    )


def stream(num_batches: int, seed: int) -> Tensor:
    """The batches that `explain_running` describes: [num_batches, N, C, H, W]."""
    noise = torch.randn(num_batches, *SHAPE, generator=torch.Generator().manual_seed(seed))
    return noise * torch.tensor(CHANNEL_STDS)[:, None, None] + torch.tensor(SAMPLE_MEANS)[:, None, None, None]


def _averaging_layers(momentum: float) -> list[tuple[str, str, nn.Module]]:
    """(norm, average, layer) for averages that training never uses: a cumulative BN, and an IN with running statistics.

    There is no cumulative IN: with momentum None, PyTorch's InstanceNorm2d never updates its statistics.
    """
    channels = SHAPE[1]
    return [
        ("bn", "cumulative", nn.BatchNorm2d(channels, momentum=None)),
        ("in", "exponential", nn.InstanceNorm2d(channels, momentum=momentum, track_running_stats=True)),
    ]


class _Passed(NamedTuple):
    outputs: Tensor
    history: list[tuple[int, Tensor, Tensor]]
    """(number of batches so far, running mean, running deviation); empty if training updates no statistics."""


@torch.no_grad()
def _pass(layer: nn.Module, batches: Tensor) -> _Passed:
    layer.train()
    start = running_statistics(layer)
    noted = set(_noted_steps(len(batches))) if start else set()
    outputs, history = [], []
    for step, batch in enumerate(batches, start=1):
        outputs.append(layer(batch))
        if step in noted and (running := running_statistics(layer)):
            history.append((step, *running))
    moved = start is not None and not torch.equal(start.mean, history[-1][1])
    return _Passed(torch.stack(outputs), history if moved else [])


def _noted_steps(num_batches: int) -> list[int]:
    """HISTORY numbers of batches, evenly spaced on a logarithmic axis, without repetition; the last is num_batches."""
    return sorted({round(num_batches ** (point / (HISTORY - 1))) for point in range(HISTORY)})


def _tracked(kind: str, average: str, layer: nn.Module, history: list[tuple[int, Tensor, Tensor]]) -> Tracked:
    steps, means, stds = zip(*history, strict=True)
    mean_limit, std_limit = _limits(layer) if kind in NORMS else ((), ())
    return Tracked(
        norm=kind.upper() if kind in NORMS else norm_label(kind, {}),
        average=average,
        mean=tuple(means[-1].tolist()),
        std=tuple(stds[-1].tolist()),
        mean_limit=mean_limit,
        std_limit=std_limit,
        steps=steps,
        mean_history=tuple(tuple(mean.tolist()) for mean in means),
        std_history=tuple(tuple(std.tolist()) for std in stds),
    )


def _limits(layer: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What the layer's running mean and deviation tend to, [C]: the means of the statistics of one batch.

    Layers store the unbiased variance; batch renormalization stores the biased deviation. Instance norm takes the
    variance of each sample alone, all others that store one that of the whole batch.
    """
    pixels = SHAPE[2] * SHAPE[3]
    means = SAMPLE_MEANS[:1] if isinstance(layer, nn.InstanceNorm2d) else SAMPLE_MEANS
    if "running_std" in dict(layer.named_buffers()):
        stds = [expected_deviation(std, means, pixels) for std in CHANNEL_STDS]
    else:
        stds = [expected_variance(std, means, pixels) ** 0.5 for std in CHANNEL_STDS]
    return (fmean(SAMPLE_MEANS),) * len(CHANNEL_STDS), tuple(stds)


def _moments(label: str, outputs: Tensor) -> OutputMoments:
    values = outputs.double().permute(1, 2, 0, 3, 4).flatten(2)  # [N, C, batches · H · W]
    means, stds = values.mean(2).tolist(), values.std(2).tolist()
    return OutputMoments(label, tuple(map(tuple, means)), tuple(map(tuple, stds)))

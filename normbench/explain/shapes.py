"""Which norm takes which input: the shape after each layer of a stack, and a diagnosis if a norm does not fit."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from normbench.errors import ConfigError
from normbench.explain.shape import AXES, Shape
from normbench.models.count import count_parameters

BATCH_NORMS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}
TAKES: dict[type[nn.Module], tuple[int, ...]] = {
    nn.BatchNorm1d: (2, 3),
    nn.BatchNorm2d: (4,),
    nn.BatchNorm3d: (5,),
    nn.InstanceNorm1d: (3,),
    nn.InstanceNorm2d: (4,),
    nn.InstanceNorm3d: (5,),
}
"""Layer class -> numbers of axes it takes, the batch included. Group and layer norm take any number."""


@dataclass(frozen=True)
class LayerOutput:
    """A layer and the shape of its output; if it refuses its input, None and the `problem`, with what would fit."""

    layer: str
    shape: Shape | None
    problem: str | None


@dataclass(frozen=True)
class Stack:
    """Layers applied one after the other, up to the first that refuses its input."""

    title: str
    input_shape: Shape
    steps: tuple[LayerOutput, ...]


@dataclass(frozen=True)
class Fit:
    """The layer of a norm to write for each kind of input, None if the norm does not take it."""

    norm: str
    for_flat: str | None
    for_sequence: str | None
    for_images: str | None
    for_flattened: str | None


@dataclass(frozen=True)
class OptionEffect:
    """The effect of a batch norm's options.

    running_mean: mean over the channels after one batch of mean 1; the start value is 0.
    moves_train, moves_eval: the largest change of the first image's output when the rest of the batch is replaced.
    """

    layer: str
    num_learned: int
    num_buffers: int
    running_mean: float | None
    moves_train: float
    moves_eval: float


@dataclass(frozen=True)
class Shapes:
    """The answer of `normbench explain shapes`."""

    stacks: tuple[Stack, ...]
    fits: tuple[Fit, ...]
    settings: tuple[OptionEffect, ...]


def explain_shapes(shape: Shape = (100, 3, 28, 28)) -> Shapes:
    """Stacks that work and stacks with typical mistakes, on images of `shape` N,C,H,W with H and W at least 4."""
    if min(shape[2:]) < 4:
        raise ConfigError(
            f"--shape: H and W must be at least 4, as two pools halve them; found {shape[2]} and {shape[3]}"
        )
    stacks = tuple(run_stack(title, layers, shape) for title, layers in walkthrough(shape).items())
    return Shapes(stacks, norm_fits(16, shape[2], shape[3]), batch_norm_settings())


def walkthrough(shape: Shape) -> dict[str, list[nn.Module]]:
    """Title -> layers, for images of `shape`. Titles of mistakes begin with "wrong:"."""
    _, channels, height, width = shape
    flat = 16 * height * width

    def conv(inputs: int, outputs: int) -> nn.Module:
        return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)

    def pool() -> nn.Module:
        return nn.AvgPool2d(kernel_size=2, stride=2)

    return {
        "conv, pool, norm": [conv(channels, 16), pool(), nn.BatchNorm2d(16)],
        "two blocks": [
            *(conv(channels, 16), pool(), nn.BatchNorm2d(16)),
            *(conv(16, 8), pool(), nn.BatchNorm2d(8), nn.ReLU()),
        ],
        "2d, then flattened, then 1d": [
            *(conv(channels, 16), nn.BatchNorm2d(16), nn.Flatten(), nn.ReLU()),
            *(nn.Linear(flat, 24), nn.BatchNorm1d(24), nn.ReLU()),
        ],
        "wrong: 2d after Flatten": [conv(channels, 16), nn.Flatten(), nn.Linear(flat, 24), nn.BatchNorm2d(24)],
        "wrong: 1d before Flatten": [conv(channels, 16), nn.BatchNorm1d(16)],
        "wrong: the conv's input channels": [conv(channels, 16), nn.BatchNorm2d(channels)],
        "wrong: layer norm before the pool": [conv(channels, 16), pool(), nn.LayerNorm([16, height, width])],
    }


@torch.no_grad()
def run_stack(title: str, layers: list[nn.Module], shape: Shape) -> Stack:
    """Runs zeros of `shape` through the layers, up to the first norm that does not fit."""
    steps = []
    x = torch.zeros(shape)
    for layer in layers:
        problem = diagnose(layer, tuple(x.shape))
        if problem:
            steps.append(LayerOutput(written(layer), None, problem))
            break
        x = layer(x)
        steps.append(LayerOutput(written(layer), tuple(x.shape), None))
    return Stack(title, shape, tuple(steps))


def diagnose(layer: nn.Module, shape: Shape) -> str | None:
    """One sentence on why a norm layer refuses an input of `shape`, and what would fit; None if it takes the input."""
    name, found = type(layer).__name__, ",".join(map(str, shape))
    if type(layer) in TAKES:
        takes = TAKES[type(layer)]
        if len(shape) not in takes:
            allowed = " or ".join(_axes(count) for count in takes)
            return f"{name} takes {allowed}, but here comes {_axes(len(shape))} = {found}; {_instead(layer, shape)}"
        channels, option = int(layer.num_features), "num_features"  # type: ignore[arg-type]
    elif isinstance(layer, nn.GroupNorm):
        channels, option = layer.num_channels, "num_channels"
    elif isinstance(layer, nn.LayerNorm):
        wanted = layer.normalized_shape
        if shape[-len(wanted) :] == wanted:
            return None
        return (
            f"LayerNorm was made for inputs that end in {','.join(map(str, wanted))}, but here comes {found}: its "
            f"weights are per element, so it is tied to one size; write LayerNorm({list(shape[1:])})"
        )
    else:
        return None
    if channels == shape[1]:
        return None
    return f"{option} is {channels}, but the input {found} has C = {shape[1]} channels; write {option}={shape[1]}"


def _axes(count: int) -> str:
    return ",".join(AXES[count])


def _instead(layer: nn.Module, shape: Shape) -> str:
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        flat = "Flatten leaves one row an image: " if len(shape) == 2 else ""
        return f"{flat}use {BATCH_NORMS[len(shape)]}({shape[1]})"
    if len(shape) == 2:
        return "with one value a channel there is nothing to average: use LayerNorm or GroupNorm"
    return f"use InstanceNorm{len(shape) - 2}d({shape[1]})"


def norm_fits(channels: int, height: int, width: int) -> tuple[Fit, ...]:
    """Every norm of PyTorch on N,C and N,C,L and N,C,H,W and on images flattened to N,C·H·W."""
    shapes: list[Shape] = [
        (2, channels),
        (2, channels, width),
        (2, channels, height, width),
        (2, channels * height * width),
    ]
    makers: dict[str, Callable[[Shape], nn.Module]] = {
        "BatchNorm1d": lambda shape: nn.BatchNorm1d(shape[1]),
        "BatchNorm2d": lambda shape: nn.BatchNorm2d(shape[1]),
        "InstanceNorm1d": lambda shape: nn.InstanceNorm1d(shape[1]),
        "InstanceNorm2d": lambda shape: nn.InstanceNorm2d(shape[1]),
        "GroupNorm": lambda shape: nn.GroupNorm(2, shape[1]),
        "LayerNorm": lambda shape: nn.LayerNorm(shape[1:]),
    }
    fits = []
    for name, make in makers.items():
        layers = [(make(shape), shape) for shape in shapes]
        fits.append(Fit(name, *(None if diagnose(layer, shape) else written(layer) for layer, shape in layers)))
    return tuple(fits)


def batch_norm_settings(channels: int = 100) -> tuple[OptionEffect, ...]:
    """Batch norm with its options in turn, and a group norm beside it."""
    layers = [
        nn.BatchNorm2d(channels),
        nn.BatchNorm2d(channels, affine=False),
        nn.BatchNorm2d(channels, momentum=1.0),
        nn.BatchNorm2d(channels, track_running_stats=False),
        nn.GroupNorm(2, channels),
    ]
    return tuple(_effect(layer, channels) for layer in layers)


@torch.no_grad()
def _effect(layer: nn.Module, channels: int) -> OptionEffect:
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(4, channels, 4, 4, generator=generator)
    batch += 1 - batch.mean((0, 2, 3), keepdim=True)
    others = batch.clone()
    others[1:] *= 2
    layer.train()(batch)
    running_mean = getattr(layer, "running_mean", None)
    mean_after_one = None if running_mean is None else round(float(running_mean.mean()), 6)

    def moves(mode: bool) -> float:
        layer.train(mode)
        first, second = (layer(images)[0] for images in (batch, others))
        return float((first - second).abs().max())

    in_eval = moves(False)  # before training mode, which moves the running statistics
    return OptionEffect(
        layer=_with_options(layer),
        num_learned=count_parameters(layer),
        num_buffers=sum(buffer.numel() for buffer in layer.buffers()),
        running_mean=mean_after_one,
        moves_train=moves(True),
        moves_eval=in_eval,
    )


def written(layer: nn.Module) -> str:
    """The layer as source code with its positional arguments only."""
    if isinstance(layer, nn.LayerNorm):
        return f"LayerNorm({list(layer.normalized_shape)})"
    return re.sub(r"(\(\d[^=]*), \w+=.*\)$", r"\1)", repr(layer))


def _with_options(layer: nn.Module) -> str:
    """The layer as source code with the options that differ from PyTorch's defaults."""
    default = nn.BatchNorm2d(1)
    shown = [written(layer)[:-1]]
    for option in ("momentum", "affine", "track_running_stats"):
        value, usual = getattr(layer, option, None), getattr(default, option)
        if value not in (None, usual):
            shown.append(f"{option}={value}")
    return ", ".join(shown) + ")"

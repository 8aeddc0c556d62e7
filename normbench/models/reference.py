"""The reference network: a residual CNN, 40,394 parameters for colour images of 10 classes with a per-channel norm."""

from collections import OrderedDict
from collections.abc import Callable

import torch.fx
from torch import Tensor, nn

from normbench.errors import ConfigError
from normbench.models.count import mark_norm
from normbench.models.dropout import Dropout
from normbench.models.task import Task
from normbench.norms.factory import ChannelCountError, NormFactory

NARROW, WIDE = 16, 32  # channels between the stages, and inside them
LEAST = 4  # pixels: the height and the width are halved twice

Factory = Callable[[], nn.Module]
Size = tuple[int, int]
"""(height, width)."""


def reference(norm: NormFactory, task: Task, conv: type[nn.Conv2d] = nn.Conv2d, *, dropout: float = 0.0) -> nn.Module:
    """Two residual blocks behind a stem, float images [B, *task.image_shape] -> logits [B, task.num_classes].

    `dropout` is the probability that each of the eight Dropout layers zeroes an element; at 0 the layers stay in the
    network and return their input. `conv` is the class of all convs but the last, which is the classifier. Weights are
    drawn from torch's global generator by PyTorch's defaults.
    Raises ConfigError for a dropout outside [0, 1), for a norm that does not fit 16 and 32 channels, and for images
    below 4x4 pixels.
    """
    if min(task.image_size) < LEAST:
        height, width = task.image_size
        raise ConfigError(f"the reference network takes images of {LEAST}x{LEAST} pixels or more, not {height}x{width}")
    try:
        return Reference(norm, lambda: nn.ReLU(inplace=True), lambda: Dropout(dropout), task, conv)
    except ChannelCountError as error:
        raise error.for_network([NARROW, WIDE]) from None


@torch.fx.wrap  # symbolic tracing records the call and leaves the check to run time
def check_images(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    """The images [B, channels, *size]. Raises ValueError for images of another shape."""
    if images.shape[1:] != (channels, *size):
        wanted, found = ", ".join(map(str, (channels, *size))), list(images.shape)
        raise ValueError(f"this reference network takes images [B, {wanted}], not {found}")
    return images


class Reference(nn.Module):
    """See `reference`. Takes factories: the caller decides which layers stand for norm, activation and dropout."""

    def __init__(
        self, norm: NormFactory, act: Factory, dropout: Factory, task: Task, conv: type[nn.Conv2d] = nn.Conv2d
    ) -> None:
        super().__init__()
        self.image_size = full = task.image_size
        half = _halved(full)
        stage = _Stage(norm, act, dropout, conv)
        self.layers = nn.Sequential(
            OrderedDict(
                stem=nn.Sequential(
                    *stage.conv(task.image_shape[0], NARROW, full),
                    *stage.conv(NARROW, WIDE, full),
                ),
                shrink1=stage.shrink(),
                block1=Residual(stage, half),
                shrink2=stage.shrink(),
                block2=Residual(stage, _halved(half)),
                head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(WIDE, task.num_classes, 1)),
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        channels = self.layers.stem[0].in_channels  # type: ignore[index, union-attr]  # more in a side_by_side network
        logits: Tensor = self.layers(check_images(images, channels, self.image_size))
        return logits.flatten(1)


class Residual(nn.Sequential):
    """out = dropout(act(norm(main(x) + shortcut(x)))), [B, 16, H, W] -> [B, 32, H, W]: the norm comes after the sum.

    A Sequential for one reason: torchsummary then prints a row for each of its layers and none for the block.
    """

    def __init__(self, stage: "_Stage", size: Size) -> None:
        super().__init__(
            OrderedDict(
                main=nn.Sequential(
                    *stage.conv(NARROW, NARROW, size),
                    *stage.conv(NARROW, WIDE, size),
                    stage.conv_layer(WIDE, WIDE, 3, padding=1),
                ),
                shortcut=stage.conv_layer(NARROW, WIDE, 1),
                after=nn.Sequential(*stage.after(WIDE, size)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        main, shortcut, after = self
        out: Tensor = after(main(x) + shortcut(x))
        return out


class _Stage:
    """Makes the layers that repeat, always in the order conv, norm, act, dropout."""

    def __init__(self, norm: NormFactory, act: Factory, dropout: Factory, conv_layer: type[nn.Conv2d]) -> None:
        self.norm, self.act, self.dropout, self.conv_layer = norm, act, dropout, conv_layer

    def conv(self, inputs: int, outputs: int, size: Size) -> list[nn.Module]:
        return [self.conv_layer(inputs, outputs, 3, padding=1), *self.after(outputs, size)]

    def after(self, channels: int, size: Size) -> list[nn.Module]:
        # An act in place is safe after the norms: they save their input for the backward pass, not their output.
        norm = mark_norm(self.norm(channels, size))
        # An Identity takes the place of the act: every norm's network has the same layers in the same order.
        act = nn.Identity() if getattr(norm, "has_activation", False) else self.act()
        return [norm, act, self.dropout()]

    def shrink(self) -> nn.Sequential:
        return nn.Sequential(self.conv_layer(WIDE, NARROW, 1), nn.MaxPool2d(2))


def _halved(size: Size) -> Size:
    """What MaxPool2d(2) leaves."""
    return size[0] // 2, size[1] // 2

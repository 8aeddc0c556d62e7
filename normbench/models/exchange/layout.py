"""A norm of images for inputs of other forms: vectors, sequences, tokens, images with the channels last."""

from torch import Tensor, nn


class AsImages(nn.Module):
    """Applies `norm`, a layer for images [N, C, H, W], to an input of another form; returns the form of the input.

    [N, C] is taken as [N, C, 1, 1]; [N, C, L] as [N, C, L, 1]; with `channel_axis` -1, which is channels last,
    [N, T, C] as [N, C, T, 1] and [N, H, W, C] as [N, C, H, W].
    """

    def __init__(self, norm: nn.Module, channel_axis: int, num_axes: int) -> None:
        super().__init__()
        self.norm, self.channel_axis, self.num_axes = norm, channel_axis, num_axes

    def forward(self, x: Tensor) -> Tensor:
        """The normalized x, in its shape."""
        x = x.movedim(self.channel_axis, 1)
        for _ in range(4 - self.num_axes):
            x = x.unsqueeze(-1)
        y: Tensor = self.norm(x)
        for _ in range(4 - self.num_axes):
            y = y.squeeze(-1)
        return y.movedim(1, self.channel_axis)

    def extra_repr(self) -> str:
        return f"channel_axis={self.channel_axis}, num_axes={self.num_axes}"


def for_inputs(norm: nn.Module, channel_axis: int, num_axes: int) -> nn.Module:
    """`norm` for inputs of that form: itself for images [N, C, H, W], else wrapped."""
    return norm if (channel_axis, num_axes) == (1, 4) else AsImages(norm, channel_axis, num_axes)

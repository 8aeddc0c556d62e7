"""Forward and backward pass of several networks in one step: two ways to the same gradients."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from normbench.kernels import normalize
from normbench.models.side_by_side import side_by_side
from normbench.train.capture import Lanes
from normbench.train.engine import training_network
from normbench.train.objective import cross_entropy
from normbench.train.setting import Setting

Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(images uint8 [S, B, C, H, W], labels) -> (mean losses [S], logits [S, B, classes]); sets every `grad`.

labels: classes [S, B], or probabilities [S, B, classes].

S: networks, B: batch size.
"""


def in_lanes(networks: Sequence[nn.Module], setting: Setting, label_smoothing: float = 0.0) -> Pass:
    """Each network by itself, on a CUDA stream of its own: the same bits as alone."""
    lanes = Lanes(setting.device, len(networks))
    networks = [training_network(network, setting) for network in networks]

    def one(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        inputs = setting.inputs(images)
        with setting.autocast():
            logits = network(inputs)
        loss = cross_entropy(logits, labels, label_smoothing)
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        for parameter, gradient in zip(parameters, _gradients(loss, parameters), strict=True):
            _set_gradient(parameter, gradient)
        return loss.detach(), logits.detach()

    def run(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        found = lanes.run([partial(one, *member) for member in zip(networks, images, labels, strict=True)])
        losses, logits = zip(*found, strict=True)
        return torch.stack(losses), torch.stack(logits)

    return run


def as_one(networks: Sequence[nn.Module], setting: Setting, label_smoothing: float = 0.0) -> Pass:
    """All networks as one wide network (`side_by_side`): S times fewer, larger kernels, and other roundings."""
    wide = side_by_side(networks)
    wide.network.train()
    leaves = [(leaf, parts) for leaf, parts in wide.leaves if leaf.requires_grad]

    def run(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        members, batch = labels.shape[:2]
        inputs = normalize(images.flatten(0, 1), setting.normalization).unflatten(0, (members, batch))
        inputs = inputs.transpose(0, 1).flatten(1, 2).contiguous(memory_format=setting.memory_format)
        with setting.autocast():
            logits = wide.network(inputs)
        logits = logits.unflatten(1, (members, -1)).transpose(0, 1)
        # No network depends on another, so the gradient of the sum is, for each, that of its own loss.
        by_image = cross_entropy(logits.flatten(0, 1), labels.flatten(0, 1), label_smoothing, reduction="none")
        losses = by_image.view(members, batch).mean(1)
        gradients = _gradients(losses.sum(), [leaf for leaf, _ in leaves])
        for gradient, (_, parts) in zip(gradients, leaves, strict=True):
            pieces = [None] * len(parts) if gradient is None else gradient.chunk(len(parts))
            for part, piece in zip(parts, pieces, strict=True):
                _set_gradient(part, piece)
        return losses.detach(), logits.detach()

    return run


def _gradients(loss: Tensor, leaves: Sequence[Tensor]) -> Sequence[Tensor | None]:
    # Not backward(): it accumulates into `grad` on the stream that first used the parameter.
    return torch.autograd.grad(loss, leaves, allow_unused=True)


def _set_gradient(parameter: Tensor, gradient: Tensor | None) -> None:
    """Sets `grad` in the parameter's memory layout, as backward() does: PyTorch's foreach kernels require it."""
    if gradient is not None and gradient.stride() != parameter.stride():
        gradient = torch.empty_like(parameter).copy_(gradient)
    parameter.grad = gradient


WAYS: Mapping[str, Callable[..., Pass]] = {"lanes": in_lanes, "wide": as_one}
"""By name, how the networks of runs that train together compute: (networks, setting, label_smoothing) -> their pass.

Which is faster depends on the device.
"""


def tensors_of(networks: Sequence[nn.Module]) -> list[Tensor]:
    """The parameters and buffers of all networks."""
    return list(chain.from_iterable((*network.parameters(), *network.buffers()) for network in networks))

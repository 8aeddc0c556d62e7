"""Forward and backward pass of several networks in one step: two ways to the same gradients."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from normbench.kernels import normalize
from normbench.models.side_by_side import side_by_side
from normbench.train.capture import Lanes
from normbench.train.casts import CastAtOnce, casts_at_once
from normbench.train.engine import training_network
from normbench.train.objective import cross_entropy
from normbench.train.setting import Setting

Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(images uint8 [S, B, C, H, W], labels) -> (mean losses [S], logits [S, B, classes]); sets every `grad`.

labels: classes [S, B], or probabilities [S, B, classes].

S: networks, B: batch size.
"""


Casts = Callable[[nn.Module, Setting], bool]


def in_lanes(
    networks: Sequence[nn.Module], setting: Setting, label_smoothing: float = 0.0, casts: Casts = casts_at_once
) -> Pass:
    """Each network by itself, on a CUDA stream of its own: the same bits as alone.

    casts: whether the weights of a network are cast in one call; tests hand in another answer.
    """
    lanes = Lanes(setting.device, len(networks))
    trained = [training_network(network, setting, tells=network is networks[0]) for network in networks]
    called = [_called(network, setting, casts) for network in trained]
    parameters = [_trained(network) for network in networks]

    def one(number: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        inputs = setting.inputs(images)
        with setting.autocast():
            logits = called[number](inputs)
        loss = cross_entropy(logits, labels, label_smoothing)
        _set_gradients(parameters[number], _gradients(loss, called[number], parameters[number]))
        return loss.detach(), logits.detach()

    def run(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        found = lanes.run([partial(one, *member) for member in zip(range(len(called)), images, labels, strict=True)])
        losses, logits = zip(*found, strict=True)
        return torch.stack(losses), torch.stack(logits)

    return run


def as_one(
    networks: Sequence[nn.Module], setting: Setting, label_smoothing: float = 0.0, casts: Casts = casts_at_once
) -> Pass:
    """All networks as one wide network (`side_by_side`): S times fewer, larger kernels, and other roundings.

    casts: as in `in_lanes`.
    """
    wide = side_by_side(networks)
    wide.network.train()
    trained = training_network(wide.network, setting) if setting.engine == "compile" else wide.network
    called = _called(trained, setting, casts)
    leaves = [(leaf, parts) for leaf, parts in wide.leaves if leaf.requires_grad]

    def run(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        members, batch = labels.shape[:2]
        inputs = normalize(images.flatten(0, 1), setting.normalization).unflatten(0, (members, batch))
        inputs = inputs.transpose(0, 1).flatten(1, 2).contiguous(memory_format=setting.memory_format)
        with setting.autocast():
            logits = called(inputs)
        logits = logits.unflatten(1, (members, -1)).transpose(0, 1)
        # No network depends on another, so the gradient of the sum is, for each, that of its own loss.
        by_image = cross_entropy(logits.flatten(0, 1), labels.flatten(0, 1), label_smoothing, reduction="none")
        losses = by_image.view(members, batch).mean(1)
        gradients = _gradients(losses.sum(), called, [leaf for leaf, _ in leaves])
        pieces = [
            piece
            for gradient, (_, parts) in zip(gradients, leaves, strict=True)
            for piece in ([None] * len(parts) if gradient is None else gradient.chunk(len(parts)))
        ]
        _set_gradients([part for _, parts in leaves for part in parts], pieces)
        return losses.detach(), logits.detach()

    return run


def _called(network: nn.Module, setting: Setting, casts: Casts) -> nn.Module:
    return CastAtOnce(network) if casts(network, setting) else network


def _trained(network: nn.Module) -> list[Tensor]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _gradients(loss: Tensor, called: nn.Module, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    leaves = [called.leaf(parameter) for parameter in parameters] if isinstance(called, CastAtOnce) else parameters
    # Not backward(): it accumulates into `grad` on the stream that first used the parameter.
    return torch.autograd.grad(loss, leaves, allow_unused=True)


def _set_gradients(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Sets each `grad` in the parameter's dtype and memory layout, as backward() does.

    PyTorch's foreach kernels require it. One call converts all gradients of a kind. On a GPU it is one kernel only for
    tensors that differ in nothing but their dtype.
    """
    to_convert: dict[tuple[torch.dtype, bool], tuple[list[Tensor], list[Tensor]]] = {}
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None or (gradient.stride(), gradient.dtype) == (parameter.stride(), parameter.dtype):
            parameter.grad = gradient
            continue
        parameter.grad = torch.empty_like(parameter)
        converted, found = to_convert.setdefault((gradient.dtype, _layout(gradient) == _layout(parameter)), ([], []))
        converted.append(parameter.grad)
        found.append(gradient)
    for converted, found in to_convert.values():
        torch._foreach_copy_(converted, found)


def _layout(tensor: Tensor) -> list[int]:
    """The strides that matter: not those of axes with one element."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


WAYS: Mapping[str, Callable[..., Pass]] = {"lanes": in_lanes, "wide": as_one}
"""By name, how the networks of runs that train together compute: (networks, setting, label_smoothing) -> their pass.

Which is faster depends on the device.
"""


def tensors_of(networks: Sequence[nn.Module]) -> list[Tensor]:
    """The parameters and buffers of all networks."""
    return list(chain.from_iterable((*network.parameters(), *network.buffers()) for network in networks))

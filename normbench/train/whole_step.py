"""The training step of a run as one call of the kernels, where they cover all its parts."""

import torch
from torch import Tensor, nn, optim

from normbench.data.normalization import Normalization
from normbench.kernels.step import WholeStep, lowered_whole
from normbench.train.optimizers.muon import Muon
from normbench.train.optimizers.sgd import SGD


def whole_step(
    network: nn.Module,
    optimizer: optim.Optimizer,
    images: Tensor,
    normalization: Normalization,
    inputs: Tensor,
    labels: Tensor,
    label_smoothing: float,
    clip_grad_norm: float | None,
) -> WholeStep | None:
    """Steps like the one just taken with these images and labels; None where some part is left to PyTorch.

    inputs: the images, normalized.

    Each step overwrites `grad` of the parameters, as it was made by the step before.
    """
    if not isinstance(optimizer, SGD | Muon) or is_watched(optimizer):
        return None
    run = lowered_whole(network, images, inputs, labels)
    if run is None:
        return None
    gradients = []
    for parameter in (tensor for layer in run.lowered for tensor in layer.parameters()):
        gradient = parameter.grad if parameter.requires_grad else torch.empty_like(parameter)
        if gradient is None or gradient.stride() != parameter.stride():  # the step just taken was not one of the run's
            return None
        gradients.append(gradient)
    update = optimizer.update()
    if update is None:
        return None
    return WholeStep(run, images, normalization, labels, gradients, update, label_smoothing, clip_grad_norm)


def is_watched(optimizer: optim.Optimizer) -> bool:
    """Whether a call of the optimizer's step does more than its class defines."""
    return bool(
        "step" in vars(optimizer) or optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    )

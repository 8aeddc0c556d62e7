"""What a training step minimizes and how its gradient is limited: the same for a run alone and for runs together."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from normbench.kernels import loss as kernels


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float, reduction: str = "mean") -> Tensor:
    """`F.cross_entropy` in float32 or wider: a loss in bfloat16 would lose digits.

    labels: classes int64 [...], or probabilities [..., classes] where images are mixed.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if reduction == "mean":
        loss = kernels.cross_entropy(wide, labels, label_smoothing)
        if loss is not None:
            return loss
    return F.cross_entropy(wide, labels, label_smoothing=label_smoothing, reduction=reduction)


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest of the logits [..., classes] is that of the label, bool [...].

    labels: as in `cross_entropy`; of probabilities the class with the largest share counts.
    """
    wanted = labels.argmax(dim=-1) if labels.is_floating_point() else labels
    return logits.argmax(dim=-1) == wanted


def clip_gradient(parameters: Sequence[Tensor], max_norm: float | None) -> None:
    """`torch.nn.utils.clip_grad_norm_`, which does not wait for the device; None leaves the gradient as it is."""
    if max_norm is None:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not kernels.clip_gradients(gradients, max_norm):
        clip_grad_norm_(parameters, max_norm)

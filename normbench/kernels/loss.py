"""The loss of a batch with its gradient, and the length of a gradient, each in one call."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from normbench.kernels.eager import is_eager, is_plain
from normbench.kernels.library import library
from normbench.kernels.sgd import are_covered
from normbench.kernels.structs import CrossEntropy, Gradient


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor | None:
    """`F.cross_entropy(logits, labels, label_smoothing=...)`, summed in float64 and rounded once.

    logits: float32 [B, K]. labels: classes int64 [B], or probabilities float32 [B, K]. None where the kernel does not
    compute it: for tensors of another kind, for a class that does not exist, and without kernels.
    """
    kernels = library() if is_eager() else None
    if kernels is None or not can_compute(logits, labels):
        return None
    gradient = torch.empty_like(logits, memory_format=torch.contiguous_format)
    task = loss_of(logits, labels, label_smoothing, gradient)
    if not kernels.loss_and_gradient(ctypes.byref(task)):
        return None
    loss: Tensor = _Loss.apply(logits, torch.tensor(task.loss, dtype=torch.float32), gradient)
    return loss


def can_compute(logits: Tensor, labels: Tensor) -> bool:
    """Whether the kernel takes logits and labels of these shapes and types."""
    if not (is_plain(logits) and is_plain(labels) and logits.is_cpu and labels.is_cpu and logits.dim() == 2):
        return False
    if logits.dtype != torch.float32 or not logits.is_contiguous() or logits.numel() == 0 or labels.requires_grad:
        return False
    wanted = {torch.int64: logits.shape[:1], torch.float32: logits.shape}.get(labels.dtype)
    return labels.shape == wanted and labels.is_contiguous()


def loss_of(logits: Tensor, labels: Tensor, label_smoothing: float, gradient: Tensor) -> CrossEntropy:
    """The descriptor of a loss, whose gradient is written into `gradient`."""
    task = CrossEntropy(*logits.shape, label_smoothing, logits.data_ptr(), None, None, gradient.data_ptr())
    set_labels(task, labels)
    return task


def set_labels(task: CrossEntropy, labels: Tensor) -> None:
    """Other labels of the same kind."""
    if labels.is_floating_point():
        task.probabilities = labels.data_ptr()
    else:
        task.classes = labels.data_ptr()


def clip_gradients(gradients: Sequence[Tensor], max_norm: float) -> bool:
    """`torch.nn.utils.clip_grad_norm_` of these gradients, in place, with sums in float64.

    Returns False, and changes nothing, where the kernel does not cover all of them.
    """
    kernels = library()
    if kernels is None or not all(are_covered([gradient], [gradient], []) for gradient in gradients):
        return False
    kernels.clip_gradients(gradient_table(gradients), ctypes.c_int64(len(gradients)), ctypes.c_double(max_norm))
    return True


def gradient_table(gradients: Sequence[Tensor]) -> "ctypes.Array[Gradient]":
    """What the kernels are told of gradients that must stay alive as long as the table."""
    return (Gradient * len(gradients))(*(Gradient(each.data_ptr(), each.numel()) for each in gradients))


class _Loss(torch.autograd.Function):
    """The loss as an operation to autograd: its gradient is computed already."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor, None, None]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "the loss has a first derivative by `backward` only: for others, such as with create_graph=True, "
                "compute it within `normbench.kernels.without_kernels()`"
            )
        (gradient,) = ctx.saved_tensors
        return gradient * dloss, None, None

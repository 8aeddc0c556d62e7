"""A whole training step of a network in one call: of a short step, the calls between its parts take the most."""

import ctypes
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from normbench.data.normalization import Normalization
from normbench.kernels.accelerate import Accelerated
from normbench.kernels.eager import is_eager
from normbench.kernels.graph import memory
from normbench.kernels.guards import has_hooks
from normbench.kernels.images import are_covered, conversion
from normbench.kernels.library import library
from normbench.kernels.loss import can_compute, gradient_table, loss_of, set_labels
from normbench.kernels.partition import Run
from normbench.kernels.schedule import backward_plan, forward_plan
from normbench.kernels.structs import TrainingStep
from normbench.kernels.update import Update


class Done(NamedTuple):
    """What a training step shows."""

    loss: Tensor | float
    """The mean over its batch."""
    seconds: tuple[float, float, float]
    """What its parts took: the forward pass; loss and backward pass; clipping and the optimizer's step."""


class WholeStep:
    """Images to floats, forward pass, loss, backward pass, clipping and the optimizer, bound to a network's tensors.

    The bits are those of a step whose parts are called one after the other. Binding reads the state of the network and
    of the optimizer once: changes of either, but for the values of tensors and for `lrs`, need another WholeStep.

    Args:
        run: the graph that computes the network.
        images: uint8 [B, C, H, W] like those of the steps.
        normalization: of the images.
        labels: labels like those of the steps.
        gradients: of each parameter of the run, in the order of its ops.
        update: the optimizer's step, bound to these gradients.
        max_norm: to which the gradient is shortened; None leaves it.
    """

    def __init__(
        self,
        run: Run,
        images: Tensor,
        normalization: Normalization,
        labels: Tensor,
        gradients: list[Tensor],
        update: Update,
        label_smoothing: float,
        max_norm: float | None,
    ) -> None:
        threads, last = torch.get_num_threads(), run.nodes[-1].op.y
        forward, backward = forward_plan(run.nodes, True, threads), backward_plan(run.nodes, threads)
        parameters = [tensor for layer in run.lowered for tensor in layer.parameters()]
        buffers = [tensor for layer in run.lowered for tensor in layer.buffers()]
        x, dx = run.nodes[0].op.x.empty(), run.nodes[0].op.x.empty()
        y, dy = last.empty(), last.empty()
        saved = memory(forward.saved_bytes)
        workspace = memory(max(forward.workspace_bytes, backward.workspace_bytes))
        self._seeds, self.draws_globally = run.seeds, run.draws_globally
        self._forward = forward.bindings([x, y, saved, workspace, *parameters, *buffers], [0] * len(run.nodes))
        self._backward = backward.bindings(
            [x, y, dy, dx, saved, workspace, *parameters, *gradients], [0] * len(run.nodes)
        )
        self._update, self._like = update, (_kind(images), _kind(labels))
        table = gradient_table(self._clipped(parameters, gradients))
        self._step = TrainingStep(
            images=conversion(images, normalization, x),
            forward=forward.address,
            forward_bindings=ctypes.addressof(self._forward),
            backward=backward.address,
            backward_bindings=ctypes.addressof(self._backward),
            loss=loss_of(y.flatten(1), labels, label_smoothing, dy),
            max_norm=math.inf if max_norm is None else max_norm,
            gradients=ctypes.addressof(table),
            num_gradients=len(table),
            groups=ctypes.addressof(update.calls),
            num_groups=len(update.calls),
        )
        self._alive = (forward, backward, parameters, buffers, gradients, x, y, dy, dx, saved, workspace, table)

    def __call__(
        self, images: Tensor, labels: Tensor, lrs: list[float], loss_sum: Tensor, num_correct: Tensor
    ) -> Done | None:
        """Takes the step. None, with nothing changed, for images or labels of another kind than those bound.

        loss_sum, num_correct: float64 and int64 scalars, to which the loss of the images, and how many of them were
        right, are added.
        """
        if (_kind(images), _kind(labels)) != self._like:
            return None
        kernels = library()
        if kernels is None:
            return None
        self._step.images.x = images.data_ptr()
        self._step.loss_sum, self._step.num_correct = loss_sum.data_ptr(), num_correct.data_ptr()
        set_labels(self._step.loss, labels)
        for i, draw in enumerate(self._seeds, start=-len(self._seeds)):
            if draw is not None:
                self._forward[i] = self._backward[i] = draw()
        self._update.set_lrs(lrs)
        if not kernels.training_step(ctypes.byref(self._step)):
            return None
        step = self._step
        seconds = step.forward_s, step.backward_s, step.optimizer_s
        return Done(ctypes.c_float(step.loss.loss).value, seconds)

    @staticmethod
    def _clipped(parameters: list[Tensor], gradients: list[Tensor]) -> list[Tensor]:
        return [gradient for parameter, gradient in zip(parameters, gradients, strict=True) if parameter.requires_grad]


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return type(tensor), tensor.shape, tensor.dtype, tensor.device, tensor.is_contiguous()


def lowered_whole(network: nn.Module, images: Tensor, x: Tensor, labels: Tensor) -> Run | None:
    """The graph that computes all of a network, for images like these; None if none does.

    x: the normalized images, with which the network was just called.

    None too where somebody listens to the parts of a step: by hooks of layers or of parameters.
    """
    if not isinstance(network, Accelerated) or has_hooks(network) or not is_eager() or not are_covered(images):
        return None
    run = network.whole_run(x)
    if run is None or run.nodes[0].op.x.dtype != x.dtype:
        return None
    if not can_compute(run.nodes[-1].op.y.empty().flatten(1), labels):
        return None
    parameters = [tensor for layer in run.lowered for tensor in layer.parameters()]
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    own = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
    if {id(parameter) for parameter in wanted} != own or len(wanted) != len(own):
        return None  # a weight that is computed from a parameter, or that two layers share
    if any(each._backward_hooks or each._post_accumulate_grad_hooks for each in wanted):
        return None
    return run

"""Inference over a split, and the metrics that follow from its logits."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.train.engine import inference_network
from normbench.train.setting import Setting

LARGEST_FLOAT16 = 65504.0
ON_CPU, ON_DEVICE = 500, 5000
"""Images at once: activations stay in the CPU's cache; a GPU is kept busy."""


@dataclass(frozen=True)
class Metrics:
    """Mean cross-entropy in nats, wrong predictions and images; each image counts once."""

    loss: float
    num_errors: int
    num_images: int

    @property
    def accuracy(self) -> float:
        """Top-1 fraction."""
        return 1 - self.num_errors / self.num_images


def infer(model: nn.Module, images: Tensor, setting: Setting, batch_size: int | None = None) -> Tensor:
    """Logits float32 [N, classes], on the CPU, of uint8 images [N, C, H, W] on the CPU or the device, in eval mode.

    The batch size changes the time, not the metrics. Only the end waits for the device. Logits are rounded to float16,
    as `predictions.npz` stores them, so that a metric recomputed from that file is the recorded one.
    """
    at_once = ON_CPU if setting.device.type == "cpu" else ON_DEVICE
    return logits_of(model.eval(), images, setting, batch_size or at_once)


@torch.inference_mode()
def logits_of(model: nn.Module, images: Tensor, setting: Setting, batch_size: int) -> Tensor:
    """As `infer`, but each layer keeps its mode, training or evaluation."""
    network, logits = inference_network(model, setting), []
    for batch in images.split(batch_size):
        with setting.autocast():
            logits.append(network(setting.inputs(batch)).float())
    return torch.cat(logits).clamp(-LARGEST_FLOAT16, LARGEST_FLOAT16).half().float().cpu()


def evaluate(logits: Tensor, labels: Tensor) -> Metrics:
    """Metrics of logits [N, classes] against labels [N]; the loss is a float64 mean over all images."""
    loss = F.cross_entropy(logits.double(), labels, reduction="sum").item() / len(labels)
    num_errors = int((logits.argmax(dim=1) != labels).sum())
    return Metrics(loss=loss, num_errors=num_errors, num_images=len(labels))

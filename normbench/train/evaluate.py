"""Infer once; every metric derives from the logits."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from normbench.kernels import accelerate, normalize
from normbench.train.setting import Setting

LARGEST_FLOAT16 = 65504.0
BATCH_SIZE = {"cpu": 500, "cuda": 5000}  # images: few enough for a cache; enough to keep a GPU busy


@dataclass(frozen=True)
class Metrics:
    """Over all images, each counted once: mean cross-entropy in nats, wrong and all predictions."""

    loss: float
    num_errors: int
    num_images: int

    @property
    def accuracy(self) -> float:
        """Top-1 fraction."""
        return 1 - self.num_errors / self.num_images


def infer(model: nn.Module, images: Tensor, setting: Setting, batch_size: int | None = None) -> Tensor:
    """Logits on the CPU, float32 [N, classes], in eval mode, of uint8 images [N, 3, H, W]; any batch size.

    The images may lie on the device already; nothing waits for it before the last batch.
    Logits are rounded to what float16 holds, as `predictions.npz` keeps them: who recomputes a metric from that file
    gets the recorded one.
    """
    return logits_of(model.eval(), images, setting, batch_size or BATCH_SIZE[setting.device.type])


@torch.inference_mode()
def logits_of(model: nn.Module, images: Tensor, setting: Setting, batch_size: int) -> Tensor:
    """`infer` with each layer in the mode it is in."""
    network, logits = accelerate(model), []
    for batch in images.split(batch_size):
        with setting.autocast():
            logits.append(network(normalize(batch.to(setting.device), memory_format=setting.memory_format)).float())
    return torch.cat(logits).clamp(-LARGEST_FLOAT16, LARGEST_FLOAT16).half().float().cpu()


def evaluate(logits: Tensor, labels: Tensor) -> Metrics:
    """Metrics of logits [N, classes] against labels [N]; the loss is summed in float64 and divided once."""
    loss = F.cross_entropy(logits.double(), labels, reduction="sum").item() / len(labels)
    num_errors = int((logits.argmax(dim=1) != labels).sum())
    return Metrics(loss=loss, num_errors=num_errors, num_images=len(labels))

"""Statistics over the training set, for the layers that are evaluated with these."""

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from normbench.data.batches import batches, epoch_order, normalize
from normbench.data.types import Split
from normbench.train.setting import Setting

BATCH_SIZE = 500


@runtime_checkable
class TakesStatistics(Protocol):
    """A layer that, between the two calls, gathers statistics of what passes through it, in eval mode."""

    def start_statistics(self) -> None: ...

    def finish_statistics(self) -> None: ...


@torch.no_grad()
def recompute_statistics(model: nn.Module, split: Split, setting: Setting, seed: int) -> None:
    """Shows all images of the split, as they are, to the layers that take statistics; without such layers, nothing.

    It costs a forward pass over the training set before each evaluation. Weights and mode alone decide the result, so a
    resumed run has the same bits. The images come mixed, in the order of the seed's first epoch: layers may normalize
    with their batch's own statistics meanwhile, and the images of a folder lie sorted by class.
    """
    layers = [module for module in model.modules() if isinstance(module, TakesStatistics)]
    if not layers:
        return
    model.eval()
    for layer in layers:
        layer.start_statistics()
    for images, _ in batches(split, BATCH_SIZE, epoch_order(len(split.labels), seed, epoch=0)):
        with setting.autocast():
            model(normalize(images.to(setting.device), memory_format=setting.memory_format))
    for layer in layers:
        layer.finish_statistics()

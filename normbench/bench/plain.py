"""The plain loop of the notebooks: what normbench is compared with."""

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from normbench.bench.result import Lap
from normbench.config import Config
from normbench.data import Split, load_dataset
from normbench.data.batches import MEAN, STD
from normbench.models.reference import Reference
from normbench.norms import SHELF
from normbench.train.machine import num_cores

LAYERS: dict[str, Callable[..., nn.Module]] = {
    "bn": nn.BatchNorm2d,
    "gn": lambda num_channels, num_groups, **options: nn.GroupNorm(num_groups, num_channels, **options),
    "ln": lambda num_channels, **options: nn.GroupNorm(1, num_channels, **options),
    "in": nn.InstanceNorm2d,
}
"""PyTorch's own layers, where it has them; any other norm is the one of our shelf."""


def plain_laps(config: Config, device: torch.device, num_steps: int) -> Callable[[], Lap]:
    """A function that trains `num_steps` steps with the config's norm and batch size, and says how long they took.

    All else is the reference document's: PIL images, torchvision transforms with RandAugment on a quarter of the
    images, a DataLoader with as many workers as cores, fp32, `nn.Dropout(0.02)`, SGD, eager. The clock starts once
    every worker has delivered a batch, so their start is left out, and what they have decoded ahead by then (at most
    two batches each) costs nothing.
    """
    dataset = load_dataset(config.data, lambda text: None, bar=False)
    torch.manual_seed(config.seed)
    norm, conv = _layers(config)
    model = Reference(norm, nn.ReLU, lambda: nn.Dropout(0.02), len(dataset.class_names), conv).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    data, batch_size = PilImages(dataset.train), config.train.batch_size

    num_workers = num_cores()
    # As in a program of its own: a process that was spawned, as ours, would spawn its workers too.
    start_method = multiprocessing.get_all_start_methods()[0] if num_workers else None

    def lap() -> Lap:
        sampler = RandomSampler(data, num_samples=(num_workers + num_steps) * batch_size)
        loader = DataLoader(
            data, batch_size, sampler=sampler, num_workers=num_workers, multiprocessing_context=start_method
        )
        start, num_images = 0.0, 0
        for number, (images, labels) in enumerate(loader):
            if number == num_workers:
                start, num_images = time.perf_counter(), 0
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            loss.item()
            num_images += len(labels)
        return Lap(num_steps, num_images, time.perf_counter() - start)

    return lap


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """As torchvision's CIFAR10: arrays in memory, a PIL image and its transforms for each item."""

    def __init__(self, split: Split) -> None:
        self.arrays = split.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = split.labels.tolist()
        augment = transforms.RandomApply([transforms.RandAugment()], p=0.25)
        self.transform = transforms.Compose([augment, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.labels[index]


def _layers(config: Config) -> tuple[Any, type[nn.Conv2d]]:
    """The factory of norm layers, and the class of the convs."""
    kind, options = config.norm.name, dict(config.norm.options)
    norm, conv = SHELF[kind](**options)
    if kind not in LAYERS:
        return norm, conv
    options.pop("ws", None)
    return lambda num_channels, size: LAYERS[kind](num_channels, **options), conv

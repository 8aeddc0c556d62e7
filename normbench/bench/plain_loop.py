"""The plain training loop of a notebook, which normbench is compared with."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from normbench.bench.result import Timing
from normbench.config import Config
from normbench.data.dataset import Split
from normbench.data.load import load_dataset
from normbench.data.normalization import Normalization
from normbench.errors import RunError
from normbench.models.reference import Reference
from normbench.models.registry import MODELS
from normbench.models.task import Task
from normbench.norms import NORM_REGISTRY
from normbench.runs.build import build_network, task_of
from normbench.train.machine import num_cores

LAYERS: dict[str, Callable[..., nn.Module]] = {
    "bn": nn.BatchNorm2d,
    "ln": lambda num_channels, **options: nn.GroupNorm(1, num_channels, **options),
    "in": nn.InstanceNorm2d,
}
"""PyTorch's own layers of the norms that it has. Those of `gn` are PyTorch's anyway, the others are normbench's."""


def plain_timer(
    config: Config, device: torch.device, num_steps: int, num_workers: int | None = None
) -> Callable[[], Timing]:
    """A function that trains `num_steps` steps with the config's norm and batch size, and returns their timing.

    Everything else is the reference document's: PIL images, torchvision transforms with RandAugment on a quarter of
    the images, a DataLoader with `num_workers` (default: one a core), fp32, `nn.Dropout(0.02)`, SGD, eager. The clock
    starts when every worker has delivered a batch. So neither the start of the workers counts, nor what they have
    decoded ahead by then, which is at most two batches each.
    """
    dataset = load_dataset(config.data, bar=False)
    torch.manual_seed(config.seed)
    model = plain_network(config, task_of(dataset)).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    data, batch_size = PilImages(dataset.train, dataset.normalization), config.train.batch_size
    workers = num_cores() if num_workers is None else num_workers
    # The platform's default, as in a notebook. This process was spawned and would spawn the workers too.
    start_method = multiprocessing.get_all_start_methods()[0] if workers else None

    def measure() -> Timing:
        sampler = RandomSampler(data, num_samples=(workers + num_steps) * batch_size)
        loader = DataLoader(
            data, batch_size, sampler=sampler, num_workers=workers, multiprocessing_context=start_method
        )
        start, num_images = 0.0, 0
        with shared_memory_explained():
            for number, (images, labels) in enumerate(loader):
                if number == workers:
                    start, num_images = time.perf_counter(), 0
                images, labels = images.to(device), labels.to(device)
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                loss.item()
                num_images += len(labels)
        return Timing(num_steps, num_images, time.perf_counter() - start)

    return measure


@contextmanager
def shared_memory_explained() -> Iterator[None]:
    """Within, an error of the loader's workers for lack of shared memory becomes a RunError with a way out."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        text = str(error)
        if not isinstance(error, OSError) and not any(word in text for word in ("shared memory", "torch_", "shm")):
            raise
        raise RunError(
            "the plain loop's workers hand over their batches in shared memory (/dev/shm), which failed "
            f"({text.splitlines()[0]}): in a container give it more, as with docker run --shm-size 1g"
        ) from error


def plain_network(config: Config, task: Task, dropout: float = 0.02) -> nn.Module:
    """The config's network; that of normbench has `nn.Dropout`, and PyTorch's layer of the norm where there is one."""
    if MODELS.get(config.model.name) is not MODELS["reference"]:
        return build_network(config, task)
    kind, options = config.norm.name, dict(config.norm.options)
    norm, conv = NORM_REGISTRY[kind](**options)
    if kind in LAYERS:
        options.pop("ws", None)
        norm = lambda num_channels, size: LAYERS[kind](num_channels, **options)  # noqa: E731
    return Reference(norm, nn.ReLU, lambda: nn.Dropout(dropout) if dropout else nn.Identity(), task, conv)


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """A split as torchvision's CIFAR10: arrays in memory; an item is a PIL image through its transforms."""

    def __init__(self, split: Split, normalization: Normalization) -> None:
        self.arrays = split.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = split.labels.tolist()
        augment = transforms.RandomApply([transforms.RandAugment()], p=0.25)
        normalize = transforms.Normalize(normalization.mean, normalization.std)
        self.transform = transforms.Compose([augment, transforms.ToTensor(), normalize])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.labels[index]

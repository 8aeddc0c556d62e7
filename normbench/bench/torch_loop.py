"""The loop of someone who knows PyTorch: all that its own means give, which the kernels are compared with."""

import time
from collections.abc import Callable
from itertools import cycle, islice

import torch
from torch.nn import functional as F

from normbench.bench.plain_loop import plain_network
from normbench.bench.result import Timing
from normbench.config import Config
from normbench.data.load import load_dataset
from normbench.runs.build import task_of
from normbench.train.allocator import keep_freed_memory
from normbench.train.engine import training_network
from normbench.train.setting import Setting

MOST_IMAGES = 4096  # as normalized floats they take 48 MiB


def torch_timer(
    config: Config, precision: str, device: torch.device, num_steps: int, engine: str
) -> Callable[[], Timing]:
    """A function that trains `num_steps` steps by `engine`, `eager` or `compile`, and returns their timing.

    The network and the batch size are the config's, with PyTorch's own layers. Images wait in memory as normalized
    floats, whole batches only, and none is augmented. channels_last, autocast to `precision`, fused SGD.
    """
    dataset = load_dataset(config.data, bar=False)
    keep_freed_memory()
    setting = Setting(device, precision, normalization=dataset.normalization, engine=engine)
    torch.manual_seed(config.seed)
    model = plain_network(config, task_of(dataset), dropout=0.0)
    model.to(device, memory_format=setting.memory_format).train()  # type: ignore[call-overload]
    network = training_network(model, setting)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
    size = config.train.batch_size
    count = max(size, min(MOST_IMAGES, len(dataset.train)) // size * size)
    images = setting.inputs(dataset.train.images[:count]).split(size)
    labels = dataset.train.labels[:count].to(device).split(size)
    batches = cycle(zip(images, labels, strict=True))

    def measure() -> Timing:
        start, num_images = time.perf_counter(), 0
        for batch, classes in islice(batches, num_steps):
            optimizer.zero_grad()
            with setting.autocast():
                logits = network(batch)
            loss = F.cross_entropy(logits.float(), classes)
            loss.backward()
            optimizer.step()
            loss.item()
            num_images += len(classes)
        return Timing(num_steps, num_images, time.perf_counter() - start)

    return measure

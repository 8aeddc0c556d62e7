"""How many times faster an epoch of normbench's default recipe is than the plain loop, side by side on this machine.

The plain loop is what the notebooks do: PIL images, torchvision transforms, a DataLoader with as many workers as cores,
batch 64, fp32, `nn.Dropout(0.02)`, RandAugment on a quarter of the images, eager. Both train the same network with the
same norm on the same images, in turns, so that a drift of the machine's speed meets both, and each in a process of its
own, so that neither runs under the other's settings.

    python tests/bench/plain_loop.py --data-dir PATH [--norm bn --norm gn --norm ln] [--rounds 5] [--images 3840]
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from normbench.config import load_config
from normbench.data import Split, load_dataset
from normbench.models.reference import Reference
from normbench.norms import NORMS
from normbench.runs.environment import describe_environment, git_commit, peak_memory_bytes
from normbench.runs.registries import REGISTRIES, build_network, build_recipe
from normbench.train import OPTIMIZERS
from normbench.train.allocator import keep_freed_memory
from normbench.train.loop import Position, set_base_lr, train_epoch
from normbench.train.setting import choose_setting

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)


class PilImages(Dataset):
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


def plain_loop(norm: str, split: Split) -> Callable[[], float]:
    """A function that trains once over the images and returns its seconds, the start of the workers left out."""
    torch.manual_seed(0)
    model = Reference(NORMS[norm](), nn.ReLU, lambda: nn.Dropout(0.02), classes=10).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    data = PilImages(split)

    def one_pass() -> float:
        start = None
        for images, labels in DataLoader(data, batch_size=64, shuffle=True, num_workers=os.cpu_count() or 1):
            start = start or time.perf_counter()
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            loss.item()
        assert start is not None
        return time.perf_counter() - start

    return one_pass


def normbench_loop(norm: str, config_name: str, split: Split) -> Callable[[], float]:
    config = load_config(config_name, REGISTRIES, [("norm.kind", norm, "--norm")])
    model = build_network(config, 10)
    keep_freed_memory()
    setting = choose_setting(model, split.images, torch.device("cpu"), config.train.precision)
    model.to(memory_format=setting.memory_format)
    choice = config.train.optimizer
    optimizer = OPTIMIZERS[choice.name](model, **choice.options)
    set_base_lr(optimizer)
    recipe = build_recipe(config)

    def one_pass() -> float:
        position = Position.start_of(0, setting.device)
        for _ in train_epoch(model, optimizer, split, recipe, setting, position):
            pass
        return position.train_s

    return one_pass


class Worker:
    """A process that makes a loop's function once and calls it on demand."""

    def __init__(self, *make: Any) -> None:
        self.pipe, theirs = torch.multiprocessing.get_context("spawn").Pipe()
        process = torch.multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, *make))
        process.start()

    def seconds(self) -> float:
        self.pipe.send("go")
        seconds: float = self.pipe.recv()
        return seconds

    def stop(self) -> int:
        """Its peak memory in bytes."""
        self.pipe.send("stop")
        peak: int = self.pipe.recv()
        return peak


def _serve(pipe: Connection, make: Callable[..., Callable[[], float]], *arguments: Any) -> None:
    one_pass = make(*arguments)
    while pipe.recv() == "go":
        pipe.send(one_pass())
    pipe.send(peak_memory_bytes(torch.device("cpu")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--norm", action="append", choices=NORMS)
    parser.add_argument("--config", default="default")
    parser.add_argument("--data-dir", type=Path, help="a folder data set; without it synthetic images are made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=3840)
    parser.add_argument("--output", type=Path, help="write the numbers here as JSON")
    arguments = parser.parse_args()
    overrides = [("data.source", "synthetic", "")]
    if arguments.data_dir:
        overrides = [("data.source", "folder", ""), ("data.dir", str(arguments.data_dir), "")]
    train = load_dataset(load_config(arguments.config, REGISTRIES, overrides).data, print).train
    chosen = torch.randperm(len(train.labels), generator=torch.Generator().manual_seed(0))[: arguments.images]
    split = Split(train.images[chosen], train.labels[chosen])
    per_epoch = len(train.labels) / len(split.labels)

    norms = arguments.norm or ["bn", "gn", "ln"]
    pairs = {
        norm: (Worker(plain_loop, norm, split), Worker(normbench_loop, norm, arguments.config, split)) for norm in norms
    }
    seconds: dict[str, list[tuple[float, float]]] = {norm: [] for norm in norms}
    for number in range(arguments.rounds + 1):
        for norm, (plain, ours) in pairs.items():
            measured = plain.seconds() * per_epoch, ours.seconds() * per_epoch
            if number > 0:  # the first round warms up
                seconds[norm].append(measured)
                print(
                    f"round {number} {norm}: plain {measured[0]:.1f} s, normbench {measured[1]:.1f} s an epoch",
                    flush=True,
                )

    peaks = {norm: (plain.stop(), ours.stop()) for norm, (plain, ours) in pairs.items()}
    summary = {}
    print(f"\nmedians of {arguments.rounds} rounds")
    print(f"{'norm':8}{'plain s/epoch':>14}{'normbench':>11}{'ratio':>8}{'min':>7}{'max':>7}{'peak MiB':>10}")
    for norm, rows in seconds.items():
        ratios = sorted(plain / ours for plain, ours in rows)
        plain_s, ours_s = (statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(ratios)
        line = f"{norm:8}{plain_s:14.1f}{ours_s:11.1f}{ratio:8.2f}{ratios[0]:7.2f}{ratios[-1]:7.2f}"
        print(f"{line}{peaks[norm][1] / 2**20:10.0f}")
        summary[norm] = {
            "plain_s": plain_s,
            "normbench_s": ours_s,
            "ratio": ratio,
            "ratios": ratios,
            "plain_peak_memory_bytes": peaks[norm][0],
            "normbench_peak_memory_bytes": peaks[norm][1],
        }
    if arguments.output:
        record = {
            "config": arguments.config,
            "rounds": arguments.rounds,
            "images_timed": len(split.labels),
            "images_per_epoch": len(train.labels),
            "norms": summary,
            "environment": describe_environment(torch.device("cpu")),
            "git_commit": git_commit(),
        }
        arguments.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

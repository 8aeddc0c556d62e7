"""The data sources by name. Another source is a file in this folder and a line here."""

from typing import TYPE_CHECKING

from normbench.deferred import deferred

if TYPE_CHECKING:
    from normbench.data.sources.source import Source

_HERE = "normbench.data.sources"

SOURCES: "dict[str, Source]" = {
    "cifar10": deferred(f"{_HERE}.cifar", "cifar10"),
    "cifar100": deferred(f"{_HERE}.cifar", "cifar100"),
    "cifar100-coarse": deferred(f"{_HERE}.cifar", "cifar100_coarse"),
    "csv": deferred(f"{_HERE}.csv_folder", "csv_folder"),
    "folder": deferred(f"{_HERE}.folder", "folder"),
    "npz": deferred(f"{_HERE}.npz", "npz"),
    "parquet": deferred(f"{_HERE}.parquet", "parquet"),
    "synthetic": deferred(f"{_HERE}.synthetic", "synthetic"),
    "synthetic-small": deferred(f"{_HERE}.synthetic", "synthetic_small"),
    "torchvision:MNIST": deferred(f"{_HERE}.torchvision_sets", "mnist"),
    "torchvision:FashionMNIST": deferred(f"{_HERE}.torchvision_sets", "fashion_mnist"),
    "torchvision:KMNIST": deferred(f"{_HERE}.torchvision_sets", "kmnist"),
    "torchvision:SVHN": deferred(f"{_HERE}.torchvision_sets", "svhn"),
}

CONSTANT_SOURCES = frozenset(name for name in SOURCES if name.startswith(("cifar", "torchvision:")))
"""Sources whose content is fixed by a published hash: a finished run need not load them again to compare the data."""

CIFAR_SHAPED = frozenset(name for name in SOURCES if name.startswith(("cifar", "synthetic")))
"""Sources of images [3, 32, 32]: options are held against this shape before the images are loaded."""

PLACED_SOURCES = CONSTANT_SOURCES | {"csv", "folder", "npz", "parquet"}
"""Sources that read the file or folder which the user names."""

"""Data: a source -> uint8 image tensors and labels; augmentation; batches from an explicit generator."""

from normbench.data.load import SOURCES, load_dataset
from normbench.data.split import hold_out
from normbench.data.types import Dataset, Split

__all__ = ["SOURCES", "Dataset", "Split", "hold_out", "load_dataset"]

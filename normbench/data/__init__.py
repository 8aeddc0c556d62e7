"""Data: a source -> uint8 image tensors and labels; augmentation; batches from an explicit generator."""

from normbench.data.load import ALWAYS_THE_SAME, SOURCES, load_dataset
from normbench.data.split import hold_out
from normbench.data.types import Dataset, Split

__all__ = ["ALWAYS_THE_SAME", "SOURCES", "Dataset", "Split", "hold_out", "load_dataset"]

"""Data: a source -> uint8 image tensors and labels; augmentation; batches from explicit random streams."""

from normbench.data.dataset import Dataset, Split, hold_out
from normbench.data.load import load_dataset
from normbench.data.sources.registry import CONSTANT_SOURCES, SOURCES

__all__ = ["CONSTANT_SOURCES", "SOURCES", "Dataset", "Split", "hold_out", "load_dataset"]

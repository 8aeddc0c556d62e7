"""The data sources by name. Another source is a file in this folder and a line here."""

from normbench.data.sources.cifar10 import cifar10
from normbench.data.sources.folder import folder
from normbench.data.sources.source import Source
from normbench.data.sources.synthetic import synthetic, synthetic_small

SOURCES: dict[str, Source] = {
    "cifar10": cifar10,
    "folder": folder,
    "synthetic": synthetic,
    "synthetic-small": synthetic_small,
}

CONSTANT_SOURCES = frozenset({"cifar10"})
"""Sources whose content is fixed by a published hash: a finished run need not load them again to compare the data."""

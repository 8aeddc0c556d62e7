"""The interface of a data source: a function from a request to an input that is located but not yet read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from normbench.data.dataset import RawData
from normbench.data.normalization import Normalization


@dataclass(frozen=True)
class SourceRequest:
    """What a source may need to find its input.

    `dir` is the file or folder that the user named, and `dir_given_by` the setting that named it (for messages).
    `downloads` is the folder for downloaded files. `bar` allows a progress bar on stderr; without it progress is logged
    in plain lines. `resize` is the (height, width) to which images are brought while they are decoded; a source whose
    images are not decoded one by one may leave it to `load_dataset`.
    """

    dir: Path | None
    dir_given_by: str
    urls: tuple[str, ...]
    downloads: Path
    bar: bool
    resize: tuple[int, int] | None = None


@dataclass(frozen=True)
class SourceInput:
    """An input that was found. Reading is left to `read`, which is called only when the cache lacks the data.

    `slot` is the name of the cache file. `identity` computes which content that file must have been made from, such as
    a hash: a cache file with another identity is out of date. `name` is what tables call the data, unless the data are
    known by another name (`known.py`); without it they are called after the source. Without a `normalization` its
    constants are measured on the training images.
    """

    slot: str
    identity: Callable[[], str]
    read: Callable[[], RawData]
    name: str | None = None
    normalization: Normalization | None = None


Source = Callable[[SourceRequest], SourceInput]
"""Raises DataError that names the file or folder which is missing or not as expected."""

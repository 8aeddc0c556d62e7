"""The data set that a config names, from its source or from the cache."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.data.cache import load_cached
from normbench.data.dataset import Dataset
from normbench.data.place import named_place
from normbench.data.repeats import check_repeats
from normbench.data.sources.registry import CONSTANT_SOURCES, SOURCES
from normbench.data.sources.source import SourceRequest
from normbench.errors import ConfigError
from normbench.files import cache_folder
from normbench.text import unknown_name

if TYPE_CHECKING:
    from normbench.config import DataConfig


def load_dataset(config: "DataConfig", cache_dir: Path | None = None, *, bar: bool | None = None) -> Dataset:
    """Load a data set; what a source has decoded before comes from the cache.

    `cache_dir` is `files.cache_folder()` unless given. `bar` allows a progress bar on stderr (None: when stderr is a
    terminal); other news is logged. Raises ConfigError for an unknown source, and DataError that names the file or
    folder which is missing or not as expected.
    """
    if config.source not in SOURCES:
        raise ConfigError(unknown_name("data source", config.source, SOURCES))
    cache = cache_dir if cache_dir is not None else cache_folder()
    place, given_by = named_place(config.dir)
    request = SourceRequest(
        dir=place,
        dir_given_by=given_by,
        urls=tuple(config.urls),
        downloads=cache / "downloads",
        bar=sys.stderr.isatty() if bar is None else bar,
    )
    dataset = load_cached(config.source, SOURCES[config.source](request), cache)
    if place and config.source not in CONSTANT_SOURCES:
        check_repeats(dataset, place)
    return dataset

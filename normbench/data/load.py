"""The data set that a config names, from its source or from the cache."""

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.data.cache import load_cached
from normbench.data.dataset import Dataset, RawData, fingerprint, hold_out_share
from normbench.data.known import KNOWN
from normbench.data.normalization import measure
from normbench.data.place import named_place
from normbench.data.repeats import check_repeats
from normbench.data.resize import resized
from normbench.data.sources.registry import CONSTANT_SOURCES, SOURCES
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import ConfigError
from normbench.files import cache_folder
from normbench.text import unknown_name

if TYPE_CHECKING:
    from normbench.config import DataConfig

log = logging.getLogger(__name__)


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
        resize=config.resize,
    )
    found = SOURCES[config.source](request)
    if config.resize:
        found = resized(found, config.resize)
    raw, digest = load_cached(config.source, found, cache)
    dataset = _dataset(config, found, raw, digest)
    if place and config.source not in CONSTANT_SOURCES:
        check_repeats(dataset, place)
    return dataset


def _dataset(config: "DataConfig", found: SourceInput, raw: RawData, digest: str) -> Dataset:
    """The data set with its name and its constants; a test split is held out where the source has none."""
    held_out, test, train = None, raw.test, raw.train
    if test is None:
        held_out = config.held_out
        train, test = hold_out_share(raw.train, held_out)
        digest = fingerprint(replace(raw, train=train, test=test))
        log.info(
            f"note: the data have no test split: {len(test):,} of the {len(raw.train):,} training images, "
            f"{held_out:.0%} of each class, are held out as test images (data.held_out)"
        )
    known = KNOWN.get(digest)
    return Dataset(
        source=config.source,
        name=config.name or (known.name if known else found.name) or f"{config.source} data",
        class_names=raw.class_names,
        train=train,
        test=test,
        normalization=(known.normalization if known else found.normalization) or measure(train.images),
        fingerprint=digest,
        val=raw.val,
        held_out=held_out,
    )

"""The registry of data sources, and the one function that turns a config's `data` into a data set."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.data.cache import load_cached
from normbench.data.sources.cifar10 import cifar10
from normbench.data.sources.folder import folder
from normbench.data.sources.synthetic import VERSION, synthetic
from normbench.data.types import Dataset, Found, RawData, Request, Say, SourceLoader
from normbench.errors import ConfigError, DataError
from normbench.files import cache_folder
from normbench.text import printable, unknown_name

if TYPE_CHECKING:
    from normbench.config import DataConfig

SYNTHETIC_TRAIN = 50_000
SYNTHETIC_TEST = 10_000


def made_on_the_spot(request: Request) -> Found:
    """Ten procedural classes, the same bytes on every machine; needs nothing."""
    return _made(request, "synthetic", SYNTHETIC_TRAIN, SYNTHETIC_TEST)


def few_made_on_the_spot(request: Request) -> Found:
    """The first fifth of the synthetic images, for trying things out: an epoch takes seconds."""
    return _made(request, "synthetic-small", SYNTHETIC_TRAIN // 5, SYNTHETIC_TEST // 5)


def _made(request: Request, slot: str, num_train: int, num_test: int) -> Found:
    def make() -> RawData:
        request.say(f"making {num_train + num_test:,} synthetic images")
        return synthetic(num_train, num_test)

    return Found(slot, lambda: f"version {VERSION}, {num_train} + {num_test}", make)


SOURCES: dict[str, SourceLoader] = {
    "cifar10": cifar10,
    "folder": folder,
    "synthetic": made_on_the_spot,
    "synthetic-small": few_made_on_the_spot,
}
ALWAYS_THE_SAME = frozenset({"cifar10"})
"""Sources that give the same images for ever, as their hash says: nobody need download them again to be sure."""


def say_on_stderr(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


def load_dataset(
    config: "DataConfig", say: Say = say_on_stderr, cache_dir: Path | None = None, *, bar: bool | None = None
) -> Dataset:
    """The data set a config names, from the cache where it was decoded before.

    `say` gets plain lines for a person; `bar` allows a progress bar on stderr (None: when stderr is a terminal).
    `cache_dir` is NORMBENCH_CACHE or the XDG cache folder unless given. Raises ConfigError for an unknown source and
    DataError naming the file or folder that is missing or not as expected.
    """
    if config.source not in SOURCES:
        raise ConfigError(unknown_name("data source", config.source, SOURCES))
    cache = cache_dir if cache_dir is not None else cache_folder()
    place, given_by = _place(config.dir)
    request = Request(
        dir=place,
        dir_given_by=given_by,
        urls=tuple(config.urls),
        downloads=cache / "downloads",
        say=say,
        bar=sys.stderr.isatty() if bar is None else bar,
    )
    return load_cached(config.source, SOURCES[config.source](request), cache, say)


def _place(named: str | None) -> tuple[Path | None, str]:
    """The folder or file the user named, and by what."""
    given_by = "data.dir" if named else "NORMBENCH_DATA"
    text = named or os.environ.get("NORMBENCH_DATA")
    if not text:
        return None, given_by
    try:
        return Path(text).expanduser(), given_by
    except RuntimeError as error:
        raise DataError(f"{given_by}: {text}: {error}") from error

"""The file or folder of images that the user names. What is wrong with its name is found without torch."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from normbench.data.sources.registry import CONSTANT_SOURCES, PLACED_SOURCES
from normbench.errors import DataError
from normbench.files import cache_folder

if TYPE_CHECKING:
    from normbench.config import DataConfig


def named_place(in_config: str | None) -> tuple[Path | None, str]:
    """The file or folder that the user named, and the setting that named it."""
    given_by = "data.dir" if in_config else "NORMBENCH_DATA"
    text = in_config or os.environ.get("NORMBENCH_DATA")
    if not text:
        return None, given_by
    try:
        return Path(text).expanduser(), given_by
    except RuntimeError as error:
        raise DataError(f"{given_by}: {text}: {error}") from error


def check_place(config: "DataConfig") -> None:
    """Raises DataError if the source needs the named file or folder and nothing is there, or it is for another source.

    What is in the cache is found without its place. So a folder of images that a config names for CIFAR-10 would not be
    noticed later.
    """
    if config.source not in PLACED_SOURCES:
        return
    place, given_by = named_place(config.dir)
    if place is None:
        return
    if config.source in CONSTANT_SOURCES and config.dir and all((place / it).is_dir() for it in ("train", "test")):
        reader = "csv" if any(place.glob("*.csv")) else "folder"
        raise DataError(f"{place} (from {given_by}): is a folder of images, which --data {reader} reads")
    if os.path.lexists(place):
        return
    slot = config.source.replace(":", "-")
    if config.source in CONSTANT_SOURCES and (cache_folder() / f"{slot}.safetensors").is_file():
        return
    raise DataError(
        f"{place} (from {given_by}): nothing is there; the data source {config.source!r} reads it "
        "(normbench compare shows finished runs without it)"
    )

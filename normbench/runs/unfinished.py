"""What is known of a run that is not over, from its config and the head of its checkpoint. No torch here."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from normbench.config.problems import Problems
from normbench.config.yaml import parse_yaml, read_text
from normbench.errors import ConfigError
from normbench.files import open_regular, read_regular
from normbench.runs.folder import RunFolder
from normbench.runs.read import MAX_BYTES

_MAX_HEAD = 2**24
"""Bytes of the head of a checkpoint, which holds the rows of all epochs and no tensor."""


@dataclass(frozen=True)
class Unfinished:
    """A run that was begun; `config` is {} if it cannot be read, `epochs_done` None without a readable checkpoint."""

    config: dict[str, Any]
    epochs_done: int | None


def read_unfinished(folder: RunFolder) -> Unfinished:
    """Never raises: what cannot be read is not known."""
    return Unfinished(_config(folder.config), _epochs_done(folder.checkpoint))


def is_made_by_normbench(folder: RunFolder) -> bool:
    """Whether normbench made a folder without a record: other tools write a config.yaml too."""
    try:
        config = read_regular(folder.config, MAX_BYTES)
    except OSError:
        return folder.checkpoint.exists()
    keys = {line.partition(b":")[0] for line in config.splitlines()}
    return {b"norm", b"train", b"seeds"} <= keys


def _config(path: Path) -> dict[str, Any]:
    try:
        root = parse_yaml(read_text(path), str(path), Problems())
    except ConfigError:
        return {}
    plain = root.plain() if root is not None else None
    return plain if isinstance(plain, dict) else {}


def _epochs_done(path: Path) -> int | None:
    """The finished epochs, from the metadata at the beginning of a safetensors file."""
    try:
        with open_regular(path) as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _MAX_HEAD:
                return None
            rows = json.loads(json.loads(file.read(size))["__metadata__"]["text"])["rows"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return len(rows) if isinstance(rows, list) else None

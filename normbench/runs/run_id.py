"""The name of a run and its folder: the same config always has the same place."""

import hashlib
import json
from pathlib import Path
from typing import Any

from normbench.config import Config
from normbench.norms import norm_folder_name
from normbench.plugins.names import portable
from normbench.runs.folder import RunFolder

# Keys that may change without making another run: names, the budget, where the same data are found, what else the
# finished network is tested on, how results are drawn.
_NOT_PART = ("name", "seeds", "budget", "pictures")
_NOT_PART_OF_DATA = ("name", "dir", "urls", "also_test")
_MAYBE_OUTSIDE = ("norm", "model")
"""What may be a user's code: the folder of its file is not part."""


def run_id(config: Config) -> str:
    """`<norm>-s<seed>-<hash>`: readable and unique; the hash covers all other keys that change a result."""
    return f"{norm_folder_name(config.norm.name)}-s{config.seed}-{_hash(config.to_dict())}"


def kind_id(config: Config) -> str:
    """`<norm>-<hash>`: the run id without its seed."""
    return f"{norm_folder_name(config.norm.name)}-{_hash(config.to_dict())}"


def folder_of(config: Config, results: Path) -> RunFolder:
    """`<results>/<experiment>/<run id>`."""
    return RunFolder(results / config.name / run_id(config))


def _hash(config: dict[str, Any]) -> str:
    matters = {key: value for key, value in config.items() if key not in _NOT_PART}
    for key in _MAYBE_OUTSIDE:
        (label, name), *options = config[key].items()
        matters[key] = {label: portable(name), **dict(options)}
    matters["data"] = {key: value for key, value in config["data"].items() if key not in _NOT_PART_OF_DATA}
    text = json.dumps(matters, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]

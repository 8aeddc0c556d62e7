"""The name of a run: the same run always has the same place."""

import hashlib
import json
from typing import Any

from normbench.config import Config
from normbench.norms import norm_folder_name

# What may change without making it another run: names, where the same data lie, the rules of the game, and how its
# results are drawn.
_NOT_PART = ("name", "seeds", "budget", "pictures")
_NOT_PART_OF_DATA = ("dir", "urls")


def run_id(config: Config) -> str:
    """`<norm>-s<seed>-<hash>`: readable and unique; the hash covers everything else that matters, norm options too."""
    return f"{norm_folder_name(config.norm.name)}-s{config.seed}-{_hash(config.to_dict())}"


def _hash(config: dict[str, Any]) -> str:
    matters = {key: value for key, value in config.items() if key not in _NOT_PART}
    matters["data"] = {key: value for key, value in config["data"].items() if key not in _NOT_PART_OF_DATA}
    text = json.dumps(matters, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]

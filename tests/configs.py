"""Configs of runs that take about a second on tiny images, on a GPU too."""

from pathlib import Path

from normbench.config import Config, load_config
from normbench.runs.registries import REGISTRIES


def config_for(images: Path, norm: str = "bn", seed: int = 0, **train: object) -> Config:
    """A run of two epochs on a folder of images."""
    keys: dict[str, object] = {"data.source": "folder", "data.dir": str(images), "norm.kind": norm, "seeds": [seed]}
    keys |= {f"train.{key}": value for key, value in ({"epochs": 2, "batch_size": 60} | train).items()}
    return load_config(None, REGISTRIES, [(key, value, "") for key, value in keys.items()])

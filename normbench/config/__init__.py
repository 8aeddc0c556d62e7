"""YAML and `--set` -> a frozen, validated config."""

from normbench.config.files import shipped_configs
from normbench.config.load import load_config
from normbench.config.schema import Budget, Choice, Config, DataConfig, Registry, TrainConfig

__all__ = [
    "Budget",
    "Choice",
    "Config",
    "DataConfig",
    "Registry",
    "TrainConfig",
    "load_config",
    "shipped_configs",
]

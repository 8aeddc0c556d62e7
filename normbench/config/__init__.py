"""YAML and `--set` -> a frozen, validated config."""

from normbench.config.experiment import Experiment, load_experiment, with_values
from normbench.config.files import shipped_configs
from normbench.config.load import load_config
from normbench.config.schema import Budget, Choice, Config, DataConfig, Misfit, Registry, TrainConfig
from normbench.config.tune import Tune

__all__ = [
    "Budget",
    "Choice",
    "Config",
    "DataConfig",
    "Experiment",
    "Misfit",
    "Registry",
    "TrainConfig",
    "Tune",
    "load_config",
    "load_experiment",
    "shipped_configs",
    "with_values",
]

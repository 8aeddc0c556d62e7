"""YAML and `--set` -> a frozen, validated config."""

from normbench.config.experiment.experiment import Experiment, load_experiment, with_values
from normbench.config.experiment.tune import Tune
from normbench.config.files import shipped_configs
from normbench.config.load import load_config
from normbench.config.schema import Budget, Choice, Config, DataConfig, Misfit, Registry, TrainConfig

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

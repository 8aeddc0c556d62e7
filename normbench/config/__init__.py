"""YAML and `--set` -> a frozen, validated config."""

from normbench.config.experiment.load import Experiment, load_experiment, with_values
from normbench.config.experiment.tune import Tune
from normbench.config.files import shipped_configs
from normbench.config.load import load_config
from normbench.config.schema import Budget, Choice, Config, DataConfig, KeyProblem, Registry, TrainConfig

__all__ = [
    "Budget",
    "Choice",
    "Config",
    "DataConfig",
    "Experiment",
    "KeyProblem",
    "Registry",
    "TrainConfig",
    "Tune",
    "load_config",
    "load_experiment",
    "shipped_configs",
    "with_values",
]

"""Model + batches -> epochs of metrics. Knows neither YAML, nor the layout of run folders, nor the names of norms."""

from normbench.train.optimizers.registry import OPTIMIZERS
from normbench.train.schedules import SCHEDULES

__all__ = ["OPTIMIZERS", "SCHEDULES"]

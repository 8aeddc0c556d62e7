"""Model + batches -> epochs of metrics. Knows neither YAML, nor the disk's layout, nor the names of norms."""

from normbench.train.optimizers.registry import OPTIMIZERS
from normbench.train.schedules import SCHEDULES

__all__ = ["OPTIMIZERS", "SCHEDULES"]

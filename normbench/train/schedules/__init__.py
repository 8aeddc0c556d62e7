"""Learning-rate schedules by name: the lr of each step, as PyTorch's schedulers set it."""

from normbench.train.schedules.registry import SCHEDULES
from normbench.train.schedules.schedule import Moment, Schedule

__all__ = ["SCHEDULES", "Moment", "Schedule"]

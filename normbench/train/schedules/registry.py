"""The schedules by name. Another one is a function of its options and a line here. Imports no torch."""

from collections.abc import Callable

from normbench.train.schedules.curves import cosine, linear, onecycle
from normbench.train.schedules.drops import constant, exponential, multistep, step
from normbench.train.schedules.plateau import plateau
from normbench.train.schedules.schedule import Schedule

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "linear": linear,
    "step": step,
    "constant": constant,
    "cosine": cosine,
    "onecycle": onecycle,
    "multistep": multistep,
    "exponential": exponential,
    "plateau": plateau,
}

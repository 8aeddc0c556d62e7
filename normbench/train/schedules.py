"""Learning-rate schedules: the factor on the base lr at each step."""

from collections.abc import Callable

from normbench.errors import ConfigError

Schedule = Callable[[int, int, int], float]
"""(step, steps per epoch, total steps) -> factor on the base lr; steps count from 0 over the whole run."""


def constant() -> Schedule:
    """The base lr throughout."""
    return lambda step, steps_per_epoch, total_steps: 1.0


def step(*, step_size: int = 8, gamma: float = 0.1) -> Schedule:
    """`torch.optim.lr_scheduler.StepLR`: times `gamma` every `step_size` epochs."""
    if step_size < 1 or gamma <= 0:
        raise ConfigError(
            f"train.schedule: step_size must be at least 1 and gamma above 0, not {step_size} and {gamma}"
        )
    return lambda step, steps_per_epoch, total_steps: gamma ** (step // steps_per_epoch // step_size)


def linear(*, warmup: float = 0.2) -> Schedule:
    """Linear from 0 to the base lr over the fraction `warmup` of all steps, then linear to 0 at the end.

    No step has factor 0: the first has 1 / warm-up steps, the last 1 / decay steps.
    """
    if not 0 <= warmup < 1:
        raise ConfigError(
            f"train.schedule.warmup must be at least 0 and below 1 (a fraction of all steps), not {warmup}"
        )

    def factor(step: int, steps_per_epoch: int, total_steps: int) -> float:
        warmup_steps = round(warmup * total_steps)
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return (total_steps - step) / (total_steps - warmup_steps)

    return factor


SCHEDULES: dict[str, Callable[..., Schedule]] = {"linear": linear, "step": step, "constant": constant}

"""Schedules that follow a curve over the whole run."""

import math
from typing import Literal

from normbench.train.schedules.schedule import Moment, Schedule, check, scaled


def linear(*, warmup: float = 0.2) -> Schedule:
    """Linear from 0 to the base lr over the fraction `warmup` of all steps, then linear to 0 at the end.

    No step has factor 0: the first has 1 / warm-up steps, the last 1 / decay steps.
    """
    _check_warmup(warmup)

    def factor(moment: Moment) -> float:
        step, num_steps = moment.step, moment.num_steps
        warmup_steps = round(warmup * num_steps)
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return (num_steps - step) / (num_steps - warmup_steps)

    return scaled(factor)


def cosine(
    *,
    T_max: int | None = None,
    eta_min: float = 0.0,
    warmup: float = 0.0,
    interval: Literal["epoch", "step"] = "epoch",
) -> Schedule:
    """`torch.optim.lr_scheduler.CosineAnnealingLR`: from the base lr to `eta_min` by half a cosine of `T_max` epochs.

    interval: whether lr changes after each epoch or after each step, in which `T_max` counts then. T_max: None lets the
    cosine end with the run. warmup: before it, lr rises linearly over this fraction of the run.
    """
    check(T_max is None or T_max >= 1, "T_max", "at least 1", T_max)
    check(eta_min >= 0, "eta_min", "at least 0", eta_min)
    _check_warmup(warmup)

    def lr(base: float, moment: Moment) -> float:
        by_step = interval == "step"
        now, total = (moment.step, moment.num_steps) if by_step else (moment.epoch, moment.num_epochs)
        warmup_length = round(warmup * total)
        if now < warmup_length:
            return base * (now + 1) / warmup_length
        period = T_max or total - warmup_length
        return _between(base, eta_min, (now - warmup_length) / period)

    return Schedule(lr)


def onecycle(
    *,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Schedule:
    """`torch.optim.lr_scheduler.OneCycleLR`, step by step, with `max_lr` the base lr; momentum stays as it is.

    From lr / `div_factor` up to the base lr over the fraction `pct_start` of the run, then down to the first lr /
    `final_div_factor`. three_phase: down as fast as up, then on to the end. Smith & Topin 2017, arXiv:1708.07120.
    """
    check(0 <= pct_start <= 1, "pct_start", "from 0 to 1", pct_start)
    check(div_factor > 0, "div_factor", "above 0", div_factor)
    check(final_div_factor > 0, "final_div_factor", "above 0", final_div_factor)
    anneal = _between if anneal_strategy == "cos" else _on_a_line

    def lr(base: float, moment: Moment) -> float:
        first, last_step = base / div_factor, moment.num_steps - 1
        last, top_step = first / final_div_factor, pct_start * moment.num_steps - 1
        ends = [top_step, 2 * top_step, last_step] if three_phase else [top_step, last_step]
        lrs = [first, base, first, last] if three_phase else [first, base, last]
        begin = 0.0
        for end, before, after in zip(ends, lrs, lrs[1:], strict=False):
            if moment.step <= end or end == last_step:
                return anneal(before, after, (moment.step - begin) / (end - begin) if end != begin else 1.0)
            begin = end
        raise AssertionError("the last phase ends with the run")

    return Schedule(lr)


def _between(first: float, last: float, part: float) -> float:
    """From `first` at part 0 to `last` at part 1, by half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2


def _on_a_line(first: float, last: float, part: float) -> float:
    return first + (last - first) * part


def _check_warmup(warmup: float) -> None:
    check(0 <= warmup < 1, "warmup", "at least 0 and below 1 (a fraction of all steps)", warmup)

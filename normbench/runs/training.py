"""The loop over epochs: the same for one run and for runs that train in the same steps, on any device."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from normbench.errors import Interrupted
from normbench.runs.events import EpochDone, GroupReport
from normbench.runs.interrupt import StopRequest
from normbench.runs.outputs import write_metrics
from normbench.runs.session import Session
from normbench.runs.stages import end_epoch, evaluate_again, keep
from normbench.train.allocator import give_back_freed_memory
from normbench.train.compiled import CompileError
from normbench.train.steppers import stepper_for

logger = logging.getLogger(__name__)

KEEP_S = 30.0
"""On CUDA, least seconds between two checkpoints, which are kept at the end of an epoch: there an epoch takes less time
than writing the checkpoints of a group. The last epoch and an interrupt always keep one."""

STEP_S = 0.2
"""Least seconds between two reports of steps."""


def train(sessions: Sequence[Session], way: str | None, report: GroupReport) -> None:
    """Trains runs that stand at the same place to their last epoch, or until each has diverged.

    `way`: one of WAYS, how several runs train together; None for a run alone. Each session ends with its rows, its
    logits and, if its loss is not finite, its divergence; the others go on. Where `train.engine` is auto and
    `torch.compile`, chosen with another norm, cannot compile this network, it is left out. Raises Interrupted, with the
    checkpoints kept, after SIGINT or SIGTERM.
    """
    try:
        _train(sessions, way, report)
    except CompileError as error:  # raised by the first step, before anything has changed
        if sessions[0].config.train.engine != "auto":
            raise
        logger.info(f"note: without torch.compile, which cannot compile this network: {error.reason}")
        for session in sessions:
            session.setting = replace(session.setting, engine="kernels")
        _train(sessions, way, report)


def _train(sessions: Sequence[Session], way: str | None, report: GroupReport) -> None:
    first = sessions[0]
    num_epochs, device = first.config.train.epochs, first.setting.device
    stepper = stepper_for([session.member for session in sessions], first.train, first.setting, way)
    held_out = first.held_out.images.to(device)
    for session in sessions:
        session.train = stepper.split
    going = dict(enumerate(sessions))  # by their number in the stepper
    reported_at, kept_at = 0.0, time.monotonic()
    with StopRequest() as stop:
        for epoch in range(first.member.position.epoch, num_epochs):
            for _ in stepper.train_epoch():
                if time.monotonic() - reported_at >= STEP_S:
                    reported_at = time.monotonic()
                    for session in going.values():
                        report(session.number, session.step(stepper.num_steps))
                if stop.requested:
                    _interrupt(list(going.values()), stepper.num_steps)
            give_back_freed_memory()
            for number, session in going.items():
                session.divergence = stepper.divergence(number) or end_epoch(session, held_out)
            going = {number: session for number, session in going.items() if not session.divergence}
            if not going:
                break
            stepper.start_epoch(epoch + 1)
            is_due = device.type != "cuda" or time.monotonic() - kept_at >= KEEP_S
            if is_due or epoch + 1 == num_epochs:
                kept_at = time.monotonic()
                for session in going.values():
                    keep(session)
                    write_metrics(session.folder, session.rows)
            for session in going.values():
                report(session.number, EpochDone(session.rows[-1]))
    stepper.finish()
    for session in going.values():
        if session.logits is None:  # its checkpoint was of the end of the last epoch
            session.divergence = evaluate_again(session, held_out)


def _interrupt(sessions: Sequence[Session], num_steps: int) -> None:
    """Keeps the checkpoints and raises Interrupted, which names the run's folder, or that of all runs."""
    for session in sessions:
        keep(session)
    one = sessions[0]
    position = one.member.position
    kept = f"checkpoint kept in {one.folder.path}"
    if len(sessions) > 1:
        kept = f"checkpoints kept in {one.folder.path.parent}"
    raise Interrupted(
        f"stopped in epoch {position.epoch + 1} of {one.config.train.epochs} after step {position.step} of "
        f"{num_steps}; {kept}"
    )

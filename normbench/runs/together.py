"""Several runs that differ in their seed only, trained together on one device; each gets its own, complete folder."""

import json
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby

import torch
from filelock import Timeout

from normbench.config import Config
from normbench.data import Split
from normbench.errors import Interrupted, NormbenchError
from normbench.files import locked
from normbench.runs.execute import (
    Draw,
    EpochDone,
    Event,
    Finished,
    Load,
    Prepared,
    RunIsBusy,
    Say,
    Trained,
    end_epoch,
    finish,
    keep,
    prepare,
    start,
    step_done,
)
from normbench.runs.folder import RunFolder
from normbench.runs.memory import memory_explained
from normbench.runs.outputs import write_metrics
from normbench.runs.read import finished_record
from normbench.runs.stopping import StopRequest
from normbench.train.evaluate import infer
from normbench.train.lockstep import Lockstep
from normbench.train.loop import Diverged
from normbench.train.setting import using_threads

AT_ONCE = 16  # runs in a group: so many keep a large GPU busy, and more would only take its memory
KEEP_S = 30.0  # between two checkpoints of each run: on a GPU an epoch takes less than writing them
STEP_S = 0.1  # between two events about steps

Happening = tuple[int, Event | Exception]
"""The number of a run and what became of it; an exception ends this run, not the others."""


def alike_but_for_seed(configs: Sequence[Config]) -> list[list[int]]:
    """The configs' numbers in groups of up to AT_ONCE which differ in their seeds only."""
    by_kind: dict[str, list[int]] = {}
    for number, config in enumerate(configs):
        kind = json.dumps(config.to_dict() | {"seeds": None}, sort_keys=True)
        by_kind.setdefault(kind, []).append(number)
    groups = []
    for numbers in by_kind.values():
        count = -(-len(numbers) // AT_ONCE)
        groups += [numbers[part::count] for part in range(count)]  # of one size, or nearly
    return groups


def train_on_device(run: Prepared, trained: Trained, say: Say) -> Iterator[Event]:
    """One run by itself, with all it needs on the device."""
    for _, event in _train({0: run}, {0: trained}, "lanes", say):
        assert not isinstance(event, Exception)
        yield event


def execute_together(
    runs: Sequence[tuple[Config, RunFolder]],
    device: torch.device,
    *,
    way: str,
    say: Say,
    draw: Draw,
    restart: bool = False,
    precision: str | None = None,
    load: Load,
) -> Iterator[Happening]:
    """Trains runs that differ in their seed only as `execute` trains one, all in the same steps.

    Runs that stand at different places, as their checkpoints say, train one after the other. One that is finished,
    busy, or cannot be finished is told as such, and the others go on. Checkpoints are kept every KEEP_S seconds, at the
    end of an epoch, and when the runs are stopped; one that is stopped may go on alone, or with others.
    Raises ConfigError for runs over their budget, DataError, and Interrupted for all that are not over.
    """
    dataset = load(runs[0][0].data, say)
    with ExitStack() as locks:
        prepared: dict[int, Prepared] = {}
        for number, (config, folder) in enumerate(runs):
            try:
                locks.enter_context(locked(folder.path, timeout=0))
                folder.error.unlink(missing_ok=True)
                if restart:
                    folder.clear()
                if folder.is_finished:
                    yield number, Finished(finished_record(folder, dataset.fingerprint), already=True)
                    continue
                prepared[number] = prepare(config, folder, dataset, device, precision, say)
            except Timeout:
                yield number, RunIsBusy(f"{folder.path}: another process is training this run; wait for it, or stop it")
            except NormbenchError as error:
                yield number, error
            else:
                yield number, prepared[number]
        locks.enter_context(memory_explained(runs[0][0].train.batch_size, device))
        for _, numbers in groupby(sorted(prepared, key=lambda n: _place(prepared[n])), lambda n: _place(prepared[n])):
            group = {number: prepared[number] for number in numbers}
            with using_threads(_threads(next(iter(group.values())))):
                yield from _train_and_finish(group, way, say, draw)


def _train_and_finish(runs: dict[int, Prepared], way: str, say: Say, draw: Draw) -> Iterator[Happening]:
    trained = {number: Trained(rows=list(run.resumed.rows) if run.resumed else []) for number, run in runs.items()}
    on_device = yield from _train(runs, trained, way, say)
    for number, run in runs.items():
        try:
            yield number, finish(replace(run, train=on_device), trained[number], draw)
        except Exception as error:
            yield number, error


def _train(
    runs: dict[int, Prepared], trained: dict[int, Trained], way: str, say: Say
) -> Generator[Happening, None, Split]:
    """Fills `trained`; returns the training images where they lie now."""
    one = next(iter(runs.values()))
    members = {number: start(run) for number, run in runs.items()}
    lockstep = Lockstep(list(members.values()), one.train, one.setting, way)
    held_out = one.held_out.images.to(one.setting.device)
    num_epochs, kept_at, told_at = one.config.train.epochs, time.monotonic(), 0.0
    going = list(runs)
    with StopRequest() as stop:
        while going and (epoch := members[going[0]].position.epoch) < num_epochs:
            for _ in lockstep.train_epoch():
                if time.monotonic() - told_at > STEP_S:
                    told_at = time.monotonic()
                    for number in going:
                        yield number, step_done(members[number], len(lockstep.split), lockstep.num_steps)
                if stop.requested:
                    for number in going:
                        keep(runs[number], members[number], trained[number])
                    raise Interrupted(
                        f"stopped in epoch {epoch + 1} of {num_epochs} after step {members[going[0]].position.step} "
                        f"of {lockstep.num_steps}; checkpoints kept in {one.folder.path.parent}"
                    )
            if lockstep.not_recorded:
                say(f"the training step is not one CUDA graph, and slower for it: {lockstep.not_recorded}")
                lockstep.not_recorded = None
            done = []
            for place, number in enumerate(runs):
                if number not in going:
                    continue
                try:
                    if diverged := lockstep.diverged(place):
                        raise diverged
                    row = end_epoch(runs[number], members[number], trained[number], lockstep.split, held_out)
                    done.append((number, EpochDone(row)))
                except Diverged as error:
                    trained[number].diverged = error
            going = [number for number, _ in done]
            lockstep.start_epoch(epoch + 1)
            if time.monotonic() - kept_at > KEEP_S or epoch + 1 == num_epochs:
                kept_at = time.monotonic()
                for number in going:
                    keep(runs[number], members[number], trained[number])
                    write_metrics(runs[number].folder, trained[number].rows)
            yield from done
    lockstep.finish()
    for number in going:
        if trained[number].logits is None:  # resumed after the last epoch
            trained[number].logits = infer(runs[number].model, held_out, one.setting)
    return lockstep.split


def _place(run: Prepared) -> tuple[int, int, str, int]:
    """Where a run stands, and how it goes on: those alike train together."""
    position = run.resumed.position if run.resumed else None
    epoch, step = (position.epoch, position.step) if position else (0, 0)
    return epoch, step, run.setting.precision, _threads(run)


def _threads(run: Prepared) -> int:
    return int(run.environments[-1]["threads"])

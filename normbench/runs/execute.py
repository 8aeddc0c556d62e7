"""One run, from its config to its finished folder."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch
import yaml
from filelock import Timeout
from torch import Tensor, nn

from normbench.config import Config, DataConfig
from normbench.data import CONSTANT_SOURCES, Dataset, Split, hold_out, load_dataset
from normbench.errors import DataError, Interrupted, RunError
from normbench.files import locked, write_bytes_atomically, write_json_atomically
from normbench.models.budget import check_budget
from normbench.runs.build_record import build_record
from normbench.runs.environment import Environment, environment_now
from normbench.runs.folder import RunFolder
from normbench.runs.identity import run_id
from normbench.runs.memory import memory_explained
from normbench.runs.outputs import Row, columns, metrics_row, write_metrics, write_predictions, write_weights
from normbench.runs.read import finished_record
from normbench.runs.record import Record
from normbench.runs.registries import build_member, build_network, build_optimizer
from normbench.runs.resume import environments_so_far, keep_checkpoint, newest_checkpoint
from normbench.runs.stopping import StopRequest
from normbench.train.allocator import keep_freed_memory
from normbench.train.checkpoint import Checkpoint
from normbench.train.checkpoint_check import check_checkpoint
from normbench.train.evaluate import evaluate, infer
from normbench.train.lockstep import Member
from normbench.train.loop import Diverged, Position, epoch_metrics, steps_per_epoch, train_epoch
from normbench.train.setting import Setting, choose_device, choose_setting, using_threads
from normbench.train.statistics import AccuracyByStatistics, accuracy_by_statistics, recompute_statistics

VAL_SHARE = 10  # a tenth of the training images: 5,000 of CIFAR-10
USUAL_CLASSES = 10  # what the budget is first checked with, before any data are there

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A run about to train."""

    config: Config
    folder: RunFolder
    dataset: Dataset
    train: Split
    held_out: Split
    model: nn.Module
    setting: Setting
    resumed: Checkpoint | None
    environments: list[Environment]
    """What it was trained in so far, the last of them now."""
    started_at: datetime


@dataclass(frozen=True)
class Step:
    """A step done; `images_per_s` over the epoch so far."""

    epoch: int
    step: int
    num_steps: int
    images_per_s: float


@dataclass(frozen=True)
class EpochDone:
    row: Row


@dataclass
class Trained:
    """What training leaves behind; filled as it goes, so that a run that diverges keeps the epochs before."""

    rows: list[Row] = field(default_factory=list)
    logits: Tensor | None = None
    by_statistics: AccuracyByStatistics | None = None
    diverged: Diverged | None = None


@dataclass(frozen=True)
class Finished:
    record: Record
    already: bool = False
    """It was finished before, and nothing was done."""


Event = Prepared | Step | EpochDone | Finished
Draw = Callable[[Prepared, Trained], None]
Load = Callable[[DataConfig, Say], Dataset]


class RunIsBusy(RunError):
    """Another process holds the run's lock."""


def folder_of(config: Config, results: Path) -> RunFolder:
    return RunFolder(results / config.name / run_id(config))


def split_sizes(config: Config, dataset: Dataset) -> tuple[int, int]:
    """How many images a run trains on, and how many it is evaluated on."""
    if config.data.evaluate_on == "test":
        return len(dataset.train), len(dataset.test)
    num_held_out = len(dataset.train) // VAL_SHARE
    return len(dataset.train) - num_held_out, num_held_out


def execute(
    config: Config,
    folder: RunFolder,
    device: str,
    *,
    say: Say,
    draw: Draw,
    restart: bool = False,
    precision: str | None = None,
    load: Load = load_dataset,
) -> Iterator[Event]:
    """Trains one run and writes its folder, going on from its checkpoint where there is one.

    A run that is finished is left as it is unless `restart`. One that diverges is a result: it ends in Finished like
    any other, with that status. `say` gets plain lines for a person, `draw` writes the pictures into the folder
    (drawing is a later stop of the flow). `precision` is what `auto` means, so that runs to be compared all have the
    same; None lets the run find out for itself.

    Raises ConfigError for a network over its budget or a place that cannot be written, DataError, also for a run that
    was finished or begun on other data, RunIsBusy if another process is at this run, RunError for a full disk or too
    little memory, Interrupted after Ctrl-C or SIGTERM.
    """
    target = choose_device(device)
    check_budget(build_network(config, USUAL_CLASSES), config.budget.max_parameters)  # before a long download
    if folder.is_finished and not restart:
        folder.tidy()
        yield Finished(finished_record(folder, _fingerprint_now(config, load, say)), already=True)
        return
    dataset = load(config.data, say)
    try:
        with locked(folder.path, timeout=0), memory_explained(config.train.batch_size, target):
            folder.error.unlink(missing_ok=True)
            if restart:
                folder.clear()
            if folder.is_finished:  # by another process, while the data were loading
                yield Finished(finished_record(folder, dataset.fingerprint), already=True)
                return
            run = prepare(config, folder, dataset, target, precision, say)
            with using_threads(run.environments[-1]["threads"]):
                yield run
                trained = Trained(rows=list(run.resumed.rows) if run.resumed else [])
                try:
                    yield from _train(run, trained, say)
                except Diverged as error:
                    trained.diverged = error
                yield finish(run, trained, draw)
    except Timeout as error:
        raise RunIsBusy(f"{folder.path}: another process is training this run; wait for it, or stop it") from error


def _fingerprint_now(config: Config, load: Load, say: Say) -> str | None:
    """Of the data that a finished run would be trained on now; None if there is no need to look, or nothing to see."""
    if config.data.source in CONSTANT_SOURCES:
        return None
    try:
        return load(config.data, say).fingerprint
    except DataError as error:  # a result does not need its data any more
        say(f"note: whether the data are still those that this run was trained on is not known: {error}")
        return None


def prepare(
    config: Config, folder: RunFolder, dataset: Dataset, device: torch.device, precision: str | None, say: Say
) -> Prepared:
    """Builds the run as its checkpoint has it: with the precision and the threads that it was begun with."""
    started_at = datetime.now(UTC)
    model = build_network(config, len(dataset.class_names))
    check_budget(model, config.budget.max_parameters)
    train, held_out = dataset.train, dataset.test
    if config.data.evaluate_on == "val":
        _, num_held_out = split_sizes(config, dataset)
        train, held_out = hold_out(dataset.train, num_held_out)

    def check(checkpoint: Checkpoint) -> None:
        check_checkpoint(
            checkpoint,
            model,
            build_optimizer(config, model),
            epochs=config.train.epochs,
            batch_size=config.train.batch_size,
            num_images=len(train),
            columns=columns(config.data.evaluate_on),
        )

    resumed = newest_checkpoint(folder, dataset.fingerprint, device, check, say)
    if not resumed:
        folder.clear()
    keep_freed_memory()
    if resumed:
        wanted = resumed.precision
    else:
        wanted = precision if precision and config.train.precision == "auto" else config.train.precision
    setting = choose_setting(model, train.images, device, wanted)
    model.to(device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    write_bytes_atomically(folder.config, yaml.safe_dump(config.to_dict(), sort_keys=False).encode())
    environments = environments_so_far(resumed, environment_now(setting.device), say)
    return Prepared(config, folder, dataset, train, held_out, model, setting, resumed, environments, started_at)


def _train(run: Prepared, trained: Trained, say: Say) -> Iterator[Event]:
    if run.setting.device.type != "cpu":
        from normbench.runs.together import train_on_device  # which needs this module

        yield from train_on_device(run, trained, say)
        return
    member = start(run)
    num_images, num_epochs = len(run.train), member.recipe.epochs
    num_steps = steps_per_epoch(num_images, member.recipe.batch_size)
    with StopRequest() as stop:
        while member.position.epoch < num_epochs:
            position = member.position
            for _ in train_epoch(run.model, member.optimizer, run.train, member.recipe, run.setting, position):
                yield step_done(member, num_images, num_steps)
                if stop.requested:
                    keep(run, member, trained)
                    raise Interrupted(
                        f"stopped in epoch {position.epoch + 1} of {num_epochs} after step {position.step} of "
                        f"{num_steps}; checkpoint kept in {run.folder.path}"
                    )
            row = end_epoch(run, member, trained, run.train, run.held_out.images)
            member.position = Position.start_of(position.epoch + 1, run.setting.device)
            keep(run, member, trained)
            write_metrics(run.folder, trained.rows)
            yield EpochDone(row)
    if trained.logits is None:  # resumed after the last epoch
        trained.logits = infer(run.model, run.held_out.images, run.setting)


def start(run: Prepared) -> Member:
    """The run's optimizer and recipe, and where it stands: at its beginning, or where its checkpoint was."""
    member = build_member(run.config, run.model, run.setting.device)
    if run.resumed:
        run.model.load_state_dict(run.resumed.model)
        member.optimizer.load_state_dict(run.resumed.optimizer)
        member.position = run.resumed.position
    return member


def step_done(member: Member, num_images: int, num_steps: int) -> Step:
    position = member.position
    seen = min(position.step * member.recipe.batch_size, num_images)
    return Step(position.epoch, position.step, num_steps, seen / position.train_s)


def keep(run: Prepared, member: Member, trained: Trained) -> None:
    checkpoint = Checkpoint(
        model={name: tensor.clone() for name, tensor in run.model.state_dict().items()},  # may be part of a wider one
        optimizer=member.optimizer.state_dict(),
        position=member.position,
        precision=run.setting.precision,
        run=run.folder.path.name,
        fingerprint=run.dataset.fingerprint,
        rows=trained.rows,
        environments=run.environments,
    )
    keep_checkpoint(run.folder, checkpoint)


def end_epoch(run: Prepared, member: Member, trained: Trained, train: Split, held_out: Tensor) -> Row:
    """Evaluates after an epoch; its row, which `trained` has then too. Raises Diverged.

    `train` and the images `held_out` are the run's own, which may lie on the device already.
    """
    begun, position = time.perf_counter(), member.position
    recompute_statistics(run.model, train, run.setting, member.recipe.seed)
    trained.logits = infer(run.model, held_out, run.setting)
    evaluated = evaluate(trained.logits, run.held_out.labels)
    row = metrics_row(
        epoch=position.epoch + 1,
        lr=member.optimizer.param_groups[0]["lr"],
        train=epoch_metrics(position, len(train)),
        split=run.config.data.evaluate_on,
        held_out=evaluated,
        train_s=position.train_s,
        eval_s=time.perf_counter() - begun,
    )
    if not math.isfinite(evaluated.loss):
        raise Diverged(position.epoch, position.step - 1, evaluated.loss)
    trained.rows.append(row)
    return row


def finish(run: Prepared, trained: Trained, draw: Draw) -> Finished:
    """Writes the outputs, the record last: a folder with a record is a finished run."""
    write_metrics(run.folder, trained.rows)
    if trained.logits is not None and not trained.diverged:
        batch_size = run.config.train.batch_size
        trained.by_statistics = accuracy_by_statistics(
            run.model, run.train, run.held_out, run.setting, batch_size, run.config.seed
        )
        write_predictions(run.folder, run.held_out.labels, trained.logits)
        write_weights(run.folder, run.model)
        draw(run, trained)
    record = build_record(run, trained)
    write_json_atomically(run.folder.record, record.to_dict())
    run.folder.remove_checkpoints()
    return Finished(record)

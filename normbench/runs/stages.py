"""The stages of a run: prepared, kept in checkpoints, evaluated after each epoch, finished."""

import logging
import math
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import yaml
from torch import Tensor, nn

from normbench.config import Config
from normbench.data.dataset import Dataset
from normbench.files import write_bytes_atomically, write_json_atomically
from normbench.locks import Hold
from normbench.models.budget import check_budget
from normbench.models.outside.notes import warnings_about
from normbench.runs.also_test import also_test_of
from normbench.runs.build import build_member, build_network, build_optimizer, task_of, training_split
from normbench.runs.build_record import build_record
from normbench.runs.checkpoint import Checkpoint, load_into
from normbench.runs.checkpoint_fit import check_fits
from normbench.runs.checkpoints import keep_checkpoint, newest_checkpoint
from normbench.runs.engine import engine_of
from normbench.runs.environment import environment_now, environments_so_far
from normbench.runs.epochs import columns
from normbench.runs.folder import RunFolder, experiment_of
from normbench.runs.machines import decided_engine, decided_precision
from normbench.runs.outputs import metrics_row, write_metrics, write_predictions, write_weights
from normbench.runs.outside import outside_explained, try_outside
from normbench.runs.pictures import draw_run
from normbench.runs.record import Record
from normbench.runs.session import Session
from normbench.runs.splits import split_names, splits
from normbench.train.allocator import keep_freed_memory
from normbench.train.evaluate import evaluate, infer
from normbench.train.loop import Divergence, epoch_metrics, steps_per_epoch
from normbench.train.machine import Machine
from normbench.train.probe import faster_precision
from normbench.train.setting import Setting
from normbench.train.statistics import accuracy_by_statistics, recompute_statistics

logger = logging.getLogger(__name__)


def prepare(number: int, config: Config, folder: RunFolder, hold: Hold, dataset: Dataset, machine: Machine) -> Session:
    """A run ready to train: at its beginning, or where its newest checkpoint is.

    A resumed run keeps the precision, the engine and the threads that it was begun with. Raises ConfigError for a
    network over its budget, and as `newest_checkpoint` does.
    """
    started_at = datetime.now(UTC)
    task = task_of(dataset)
    also = also_test_of(config, dataset)
    model = build_network(config, task)
    check_budget(model, config.budget.max_parameters)
    for warning in warnings_about(model):
        logger.info(f"warning: {warning}")
    train, held_out, watched = splits(config, dataset)
    train = training_split(config, train, task)
    resumed = _checkpoint_of(config, folder, dataset, model, len(train), machine)
    if resumed is None:
        folder.clear()
    keep_freed_memory()
    precision = resumed.precision if resumed else machine.precision_for(config.train.precision)
    constants = dataset.normalization
    tried = Setting(machine.device, "fp32" if precision == "auto" else precision, normalization=constants)
    try_outside(config, task, tried, min(config.train.batch_size, len(train)))
    if precision == "auto":
        with outside_explained(config, [model]):
            precision = decided_precision(
                experiment_of(folder),
                machine.device,
                lambda: faster_precision(model, train.images, Setting(machine.device, normalization=constants)),
            )
    setting = Setting(machine.device, precision, normalization=constants)
    decide = partial(decided_engine, experiment_of(folder), machine.device)
    with outside_explained(config, [model]):
        engine = resumed.engine if resumed else engine_of(config, model, train, setting, decide)
    setting = replace(setting, engine=engine)
    model.to(setting.device, memory_format=setting.memory_format)  # type: ignore[call-overload]
    write_bytes_atomically(folder.config, yaml.safe_dump(config.to_dict(), sort_keys=False).encode())
    environments = environments_so_far(resumed.environments if resumed else [], environment_now(setting.device))
    member = build_member(config, model, setting.device)
    session = Session(
        number, config, folder, hold, dataset, train, held_out, watched, member, setting, environments, started_at
    )
    session.also_test = also
    if resumed:
        _go_on(session, resumed)
    return session


def _go_on(session: Session, checkpoint: Checkpoint) -> None:
    """Puts the session where the checkpoint was kept."""
    member, position = session.member, checkpoint.position
    load_into(checkpoint, member.model, member.optimizer)
    member.position = position
    session.rows = list(checkpoint.rows)
    _watch(session)
    session.resumed_at = position.epoch, position.step


def _checkpoint_of(
    config: Config, folder: RunFolder, dataset: Dataset, model: nn.Module, num_images: int, machine: Machine
) -> Checkpoint | None:
    """The newest checkpoint that `model` can go on from."""

    def check(checkpoint: Checkpoint) -> None:
        check_fits(
            checkpoint,
            model,
            build_optimizer(config, model),
            epochs=config.train.epochs,
            batch_size=config.train.batch_size,
            num_images=num_images,
            columns=columns(*split_names(config)),
        )

    return newest_checkpoint(folder, model, dataset.inputs_id, machine.device, check)


def keep(session: Session) -> None:
    """Writes the run's checkpoint. Raises LockLost if another machine has taken the run over."""
    session.hold.check()
    member = session.member
    checkpoint = Checkpoint(
        model=member.model.state_dict(),
        optimizer=member.optimizer.state_dict(),
        position=member.position,
        precision=session.setting.precision,
        engine=session.setting.engine,
        run=session.folder.path.name,
        fingerprint=session.dataset.inputs_id,
        rows=session.rows,
        environments=session.environments,
    )
    keep_checkpoint(session.folder, checkpoint)


def end_epoch(session: Session, held_out: Tensor) -> Divergence | None:
    """Evaluates the epoch just trained and adds its row; a loss that is not finite adds none and is returned.

    held_out: the images of the held-out split, on the CPU or the device.
    """
    begun, member, train = time.perf_counter(), session.member, session.train
    position = member.position
    recompute_statistics(member.model, train, session.setting, member.recipe, position.epoch)
    measured = {}
    if session.watched:
        logits = infer(member.model, session.watched.images, session.setting)
        measured["val"] = evaluate(logits, session.watched.labels)
    session.logits = infer(member.model, held_out, session.setting)
    measured[session.config.data.evaluate_on] = evaluate(session.logits, session.held_out.labels)
    row = metrics_row(
        epoch=position.epoch + 1,
        lr=member.optimizer.param_groups[0]["lr"],
        train=epoch_metrics(position, len(train)),
        held_out=measured,
        train_s=position.train_s,
        eval_s=time.perf_counter() - begun,
    )
    for evaluated in measured.values():
        if not math.isfinite(evaluated.loss):
            return Divergence(position.epoch, position.step - 1, evaluated.loss)
    session.rows.append(row)
    _watch(session)
    return None


def _watch(session: Session) -> None:
    """Hands the schedule what it watches: the rows so far have it, so that a resumed run knows it too."""
    if watches := session.member.recipe.schedule.watches:
        session.member.position.watched = tuple(row[f"val_{watches}"] for row in session.rows)


def evaluate_again(session: Session, held_out: Tensor) -> Divergence | None:
    """Evaluates a run whose checkpoint is of the end of its last epoch; the last row gets the numbers of these logits.

    They may differ from those in the checkpoint on another machine, or in a file that was tampered with. Returns a loss
    that is not finite.
    """
    split, position, row = session.config.data.evaluate_on, session.member.position, session.rows[-1]
    session.logits = infer(session.model, held_out, session.setting)
    evaluated = evaluate(session.logits, session.held_out.labels)
    if not math.isfinite(evaluated.loss):
        last_step = steps_per_epoch(len(session.train), session.member.recipe.batch_size) - 1
        return Divergence(position.epoch - 1, last_step, evaluated.loss)
    now = {f"{split}_loss": evaluated.loss, f"{split}_accuracy": evaluated.accuracy}
    if any(row[column] != value for column, value in now.items()):
        logger.info("note: the last epoch is evaluated anew, with other numbers than those in the checkpoint")
        session.rows[-1] = row | now
    return None


def finish(session: Session, *, pictures: bool) -> Record:
    """Writes the outputs and returns the record, which is written last: a folder with a record is a finished run.

    pictures: whether to draw them afterwards; if not, the checkpoint stays, by which `tidy` knows that they are
    missing. Raises LockLost if another machine has taken the run over.
    """
    session.hold.check()
    folder, config = session.folder, session.config
    write_metrics(folder, session.rows)
    if session.logits is not None and not session.divergence:
        session.by_statistics = accuracy_by_statistics(
            session.model, session.train, session.held_out, session.setting, session.member.recipe
        )
        write_predictions(folder, session.held_out.labels, session.logits)
        write_weights(folder, session.model)
    record = build_record(session)
    write_json_atomically(folder.record, record.to_dict())
    if pictures and draw_run(config, folder, record, session.dataset, session.held_out):
        folder.remove_checkpoints()  # last: a finished run that has one still lacks its pictures
    return record

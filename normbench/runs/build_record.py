"""The record of a run, gathered once the run is over."""

import statistics
from dataclasses import asdict
from datetime import UTC, datetime

from normbench.data.repeats import count_shared
from normbench.models.count import count_norms, count_parameters
from normbench.models.outside.notes import warnings_about
from normbench.models.trace import count_macs
from normbench.norms import norm_label
from normbench.runs.also_test import measured_also
from normbench.runs.environment import environment_changes, peak_memory_bytes
from normbench.runs.record import (
    AlsoTest,
    Data,
    Diverged,
    HeldOutMetrics,
    Metrics,
    Model,
    Record,
    Statistics,
    Timing,
    TrainMetrics,
)
from normbench.runs.session import Session


def build_record(run: Session) -> Record:
    """The record of a run that is finished or diverged."""
    config, dataset, diverged = run.config, run.dataset, run.divergence
    environment = dict(run.environments[-1])
    return Record(
        run_id=run.folder.path.name,
        experiment=config.name,
        status="diverged" if diverged else "finished",
        label=norm_label(config.norm.name, config.norm.options),
        seed=config.seed,
        config=config.to_dict(),
        data=Data(
            source=dataset.source,
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            classes=tuple(dataset.class_names),
            num_train=len(run.train.labels),
            num_eval=len(run.held_out.labels),
            evaluated_on=config.data.evaluate_on,
            num_eval_in_train=count_shared(run.train, run.held_out),
            image_shape=dataset.image_shape,
            mean=dataset.normalization.mean,
            std=dataset.normalization.std,
            held_out=dataset.held_out,
        ),
        model=Model(
            num_parameters=count_parameters(run.model),
            **count_norms(run.model),
            macs=count_macs(run.model, run.task.image_shape),
            warnings=warnings_about(run.model),
        ),
        metrics=None if diverged else _metrics(run),
        statistics=Statistics(**asdict(run.by_statistics)) if run.by_statistics else None,
        also_test=None if diverged or run.also_test is None else _also_test(run),
        diverged=Diverged(epoch=diverged.epoch + 1, step=diverged.step + 1, loss=str(diverged.loss))
        if diverged
        else None,
        timing=_timing(run),
        device=environment.pop("device"),
        precision=run.setting.precision,
        engine=run.setting.engine,
        git_commit=environment.pop("git_commit"),
        environment=environment,
        environment_changes={key: tuple(values) for key, values in environment_changes(run.environments).items()},
        started_at=run.started_at.isoformat(timespec="seconds"),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        resumed_at_epoch=run.resumed_at[0] + 1 if run.resumed_at else None,
    )


def _metrics(run: Session) -> Metrics:
    """The metrics of the last epoch; nothing is selected from the epochs before."""
    row, split = run.rows[-1], run.config.data.evaluate_on
    accuracy = row[f"{split}_accuracy"]
    errors = round((1 - accuracy) * len(run.held_out.labels))
    return Metrics(
        train=TrainMetrics(loss=row["train_loss"], accuracy=row["train_accuracy"]),
        held_out=HeldOutMetrics(loss=row[f"{split}_loss"], accuracy=accuracy, errors=errors),
    )


def _also_test(run: Session) -> AlsoTest:
    assert run.also_test is not None
    return measured_also(run.also_test, run.model, run.task.num_classes, run.setting)


def _timing(run: Session) -> Timing:
    rows = run.rows
    return Timing(
        train_s=sum(row["train_s"] for row in rows),
        eval_s=sum(row["eval_s"] for row in rows),
        train_s_per_epoch=statistics.median(row["train_s"] for row in rows) if rows else None,
        eval_s_per_epoch=statistics.median(row["eval_s"] for row in rows) if rows else None,
        images_per_s=statistics.median(row["images_per_s"] for row in rows) if rows else None,
        peak_memory_bytes=peak_memory_bytes(run.setting.device),
    )

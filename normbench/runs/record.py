"""`run.json`: all there is to say about a run, gathered once it is over."""

import statistics
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from normbench.models.count import count_norms, count_parameters
from normbench.models.trace import count_macs
from normbench.norms import norm_label
from normbench.runs.environment import peak_memory_bytes
from normbench.runs.folder import SCHEMA_VERSION
from normbench.runs.resume import environment_changes

if TYPE_CHECKING:
    from normbench.runs.execute import Prepared, Trained


def build_record(run: "Prepared", trained: "Trained") -> dict[str, Any]:
    """The schema is described in README.md, "A run's folder"; accuracies are fractions, losses mean cross-entropy.

    The norm layers are counted on the model that was trained, not taken from the config.
    """
    config, dataset, diverged = run.config, run.dataset, trained.diverged
    environment = dict(run.environments[-1])
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.folder.path.name,
        "experiment": config.name,
        "status": "diverged" if diverged else "finished",
        "label": norm_label(config.norm.name, config.norm.options),
        "seed": config.seed,
        "config": config.to_dict(),
        "data": {
            "source": dataset.source,
            "fingerprint": dataset.fingerprint,
            "classes": list(dataset.class_names),
            "num_train": len(run.train.labels),
            "num_eval": len(run.held_out.labels),
            "evaluated_on": config.data.evaluate_on,
        },
        "model": {
            "num_parameters": count_parameters(run.model),
            **count_norms(run.model),
            "macs": count_macs(run.model),
        },
        "metrics": _metrics(run, trained),
        "statistics": asdict(trained.by_statistics) if trained.by_statistics else None,
        "diverged": {"epoch": diverged.epoch + 1, "step": diverged.step + 1, "loss": str(diverged.loss)}
        if diverged
        else None,
        "timing": _timing(run, trained),
        "device": environment.pop("device"),
        "precision": run.setting.precision,
        "git_commit": environment.pop("git_commit"),
        "environment": environment,
        "environment_changes": environment_changes(run.environments),
        "started_at": run.started_at.isoformat(timespec="seconds"),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed_at_epoch": run.resumed.position.epoch + 1 if run.resumed else None,
    }


def _metrics(run: "Prepared", trained: "Trained") -> dict[str, float | int | None]:
    """Of the last epoch; nothing is picked from the epochs before."""
    split = run.config.data.evaluate_on
    names = ("train_loss", "train_accuracy", f"{split}_loss", f"{split}_accuracy", f"{split}_errors")
    if trained.diverged or not trained.rows:
        return dict.fromkeys(names)
    row = trained.rows[-1]
    num_images = len(run.held_out.labels)
    return {**{name: row[name] for name in names[:4]}, names[4]: round((1 - row[names[3]]) * num_images)}


def _timing(run: "Prepared", trained: "Trained") -> dict[str, float | int | None]:
    rows = trained.rows
    return {
        "train_s": sum(row["train_s"] for row in rows),
        "eval_s": sum(row["eval_s"] for row in rows),
        "train_s_per_epoch": statistics.median(row["train_s"] for row in rows) if rows else None,
        "eval_s_per_epoch": statistics.median(row["eval_s"] for row in rows) if rows else None,
        "images_per_s": statistics.median(row["images_per_s"] for row in rows) if rows else None,
        "peak_memory_bytes": peak_memory_bytes(run.setting.device),
    }

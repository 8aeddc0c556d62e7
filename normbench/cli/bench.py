"""`normbench bench`: how fast this machine trains, and where the time goes."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from normbench.cli.options import (
    BatchSize,
    Config,
    Data,
    DataDir,
    Device,
    NoPlugins,
    Override,
    Set,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Quiet, TableFormat, console, say
from normbench.errors import ConfigError, Interrupted, RunError

if TYPE_CHECKING:
    from normbench.bench.measure import Plan
    from normbench.config import Config as RunConfig
    from normbench.data import Dataset

EXAMPLE = "Example: [bold]normbench bench --norm bn --norm gn --against plain[/bold]"
FULL_BATCH, FULL_SEEDS = 128, 10
USUAL_NORMS = ("bn", "gn", "ln")
BUSY = 0.25  # load a core: from there on something else takes part of the machine


class Against(StrEnum):
    plain = "plain"


def bench(
    norm: Annotated[
        list[str] | None,
        typer.Option(
            "--norm",
            "-n",
            help="A name that `normbench norms` lists, or package.module:Name. Repeatable.",
            show_default=" ".join(USUAL_NORMS),
        ),
    ] = None,
    config: Config = "default",
    against: Annotated[
        Against | None,
        typer.Option("--against", help="plain: also the loop of the notebooks, in the same rounds, and the ratio."),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="On a GPU: the recorded step against the eager one, seeds together against seeds in turn, whole runs, "
            "and whether they compute what the CPU does.",
        ),
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often each has its turn.")] = 5,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps in a turn.")] = 20,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads a process.", show_default="what torch takes")
    ] = None,
    batch_size: BatchSize = None,
    data: Data = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    set_: Set = None,
    no_plugins: NoPlugins = False,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Also write all numbers here, as JSON.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """How fast this machine trains with each norm, where a step's time goes, and how near the machine's limit that is.

    The images are synthetic unless --data or --data-dir names others.
    """
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        wrong = "is a folder; name a file" if output.is_dir() else "its folder does not exist; create it first"
        raise ConfigError(f"--output {output}: {wrong}")
    if full and against:
        raise ConfigError("--against plain is a measurement of its own: give it without --full")
    from normbench.bench.measure import measure
    from normbench.config import load_config
    from normbench.data import load_dataset
    from normbench.files import write_json_atomically
    from normbench.present.report.document import as_document, render_document
    from normbench.present.tables.bench import bench_tables
    from normbench.runs.build import registries
    from normbench.runs.validate import find_misfits

    plan = _plan(device, threads, rounds, steps, plain=against is Against.plain)
    if full and not _is_gpu(plan):
        raise ConfigError("--full measures what a GPU makes of training: run it on a machine with CUDA (--device cuda)")
    usual: list[Override] = [] if data or data_dir else [("data.source", "synthetic", "")]
    if full and batch_size is None:
        usual.append(("train.batch_size", FULL_BATCH, ""))
    overrides = [*usual, *set_overrides(set_), *recipe_overrides(None, batch_size, None, data, data_dir)]
    known, misfits = registries(plugins=not no_plugins), find_misfits(within_budget=False)
    configs = [
        load_config(config, known, [*overrides, ("norm.kind", kind, f"--norm {kind}")], misfits)
        for kind in dict.fromkeys(norm or USUAL_NORMS)
    ]
    tell = (lambda text: None) if quiet else say
    load = _load_average()
    warnings = busy_notes(load)
    dataset = load_dataset(configs[0].data, tell, bar=not quiet and sys.stderr.isatty())
    if full:
        _measure_full(configs, dataset, plan, config, load, format_, output, quiet=quiet)
        return
    tell(f"timing {', '.join(found.norm.name for found in configs)} and no norm; first a round that does not count")
    try:
        found = measure(configs, dataset, plan, tell)
    except KeyboardInterrupt:
        raise Interrupted("stopped; nothing is kept, as every number needs all rounds") from None
    tables = bench_tables(found, _setting(configs[0], plan, found.precision))
    head = _head(config, configs[0], dataset.source, plan, found.precision, load)
    if output is not None:
        write_json_atomically(output, as_document(tables, head, warnings))
    shown = tables if format_ is TableFormat.json else {name: tables[name] for name in tables if name != "laps"}
    render_document(shown, format_, console(), head, warnings)
    if not quiet:
        for warning in warnings:
            say(f"note: {warning}")


def _measure_full(
    configs: "list[RunConfig]",
    dataset: "Dataset",
    plan: "Plan",
    config: str,
    load: float | None,
    format_: TableFormat,
    output: Path | None,
    *,
    quiet: bool,
) -> None:
    """Measures, shows, and raises RunError if the GPU does not compute what the CPU does."""
    from normbench.bench.full import FullPlan, measure_full
    from normbench.files import write_json_atomically
    from normbench.present.report.document import as_document, render_document
    from normbench.present.tables.bench_full import full_tables
    from normbench.sweeps.estimate import common_precision
    from normbench.train.machine import Machine

    precision = common_precision(configs[0], dataset, Machine(plan.device, plan.threads))
    full_plan = FullPlan(plan.device, precision, FULL_SEEDS, plan.rounds, plan.steps)
    try:
        found = measure_full(configs, dataset, full_plan, (lambda text: None) if quiet else say)
    except KeyboardInterrupt:
        raise Interrupted("stopped; nothing is kept, as every number needs all rounds") from None
    tables = full_tables(found, _setting(configs[0], plan, precision))
    head = _head(config, configs[0], dataset.source, plan, precision, load)
    if output is not None:
        write_json_atomically(output, as_document(tables, head, []))
    render_document(tables, format_, console(), head, [])
    if apart := [check for check in found.checks if not check.agrees]:
        raise RunError(f"{len(apart)} of {len(found.checks)} checks do not agree; see the table of checks")


def _is_gpu(plan: "Plan") -> bool:
    return plan.device.type == "cuda"


def _setting(recipe: "RunConfig", plan: "Plan", precision: str) -> str:
    return (
        f"{plan.device.type}, {_number(plan.threads, 'thread')}, {precision}, "
        f"batch {recipe.train.batch_size}, {_number(plan.rounds, 'round')} of {_number(plan.steps, 'step')}"
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _plan(device: str, threads: int | None, rounds: int, steps: int, *, plain: bool) -> "Plan":
    import torch

    from normbench.bench.measure import Plan
    from normbench.train.machine import choose_device

    return Plan(choose_device(device), threads or torch.get_num_threads(), rounds, steps, plain)


def _head(
    config: str, recipe: "RunConfig", source: str, plan: "Plan", precision: str, load: float | None
) -> dict[str, Any]:
    """What holds for all tables."""
    from normbench.runs.environment import describe_environment, git_commit

    return {
        "config": Path(config).name,  # where it lies on this machine is nobody's business
        "batch_size": recipe.train.batch_size,
        "data": source,
        "device": plan.device.type,
        "precision": precision,
        "rounds": plan.rounds,
        "steps_per_round": plan.steps,
        "load_average_before": load,
        "environment": describe_environment(plan.device) | {"threads": plan.threads},
        "git_commit": git_commit(),
    }


def _load_average() -> float | None:
    """Of the last minute, before anything was started here."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def busy_notes(load: float | None) -> list[str]:
    from normbench.train.machine import num_cores

    if load is None or load < BUSY * num_cores():
        return []
    return [
        f"the machine was busy before ({load:.1f} processes ready to run on {num_cores()} cores): ratios hold, "
        "as all take turns; the speeds themselves may be too low"
    ]

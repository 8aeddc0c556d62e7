"""`normbench bench`: how fast this machine trains, and where the time goes."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.completion import complete_norm
from normbench.cli.limits import MOST_STEPS, MOST_THREADS
from normbench.cli.options import (
    BatchSize,
    Config,
    Data,
    DataDir,
    Device,
    Model,
    NoPlugins,
    Override,
    Set,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Quiet, TableFormat, check_output, console, loading, say, show_log
from normbench.errors import ConfigError

EXAMPLE = "Example: [bold]normbench bench --norm bn --norm gn --against plain[/bold]"
USUAL_NORMS = ("bn", "gn", "ln")
MOST_BUSY = 256


class Against(StrEnum):
    plain = "plain"
    eager = "eager"
    compile = "compile"


def bench(
    norm: Annotated[
        list[str] | None,
        typer.Option(
            "--norm",
            "-n",
            help="A name that `normbench norms` lists, module:Name or file.py:Name. Repeatable.",
            show_default=" ".join(USUAL_NORMS),
            autocompletion=complete_norm,
        ),
    ] = None,
    config: Config = "default",
    model: Model = None,
    against: Annotated[
        list[Against] | None,
        typer.Option(
            "--against",
            help="Also time another loop in the same rounds. plain: as in a notebook, with a DataLoader; "
            "eager, compile: tensors in memory, bf16 and fused SGD, without and with torch.compile. Repeatable.",
        ),
    ] = None,
    busy: Annotated[
        int | None,
        typer.Option(
            "--busy",
            metavar="N",
            min=1,
            max=MOST_BUSY,
            help="Also time each norm while N other programs compute.",
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="On a GPU: the recorded step against the eager one, seeds together against seeds in turn, whole runs, "
            "and whether they compute what the CPU does.",
        ),
    ] = False,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, max=MOST_STEPS, help="Rounds; each norm has one turn in a round.")
    ] = 5,
    steps: Annotated[int, typer.Option("--steps", min=1, max=MOST_STEPS, help="Training steps of a turn.")] = 20,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=MOST_THREADS,
            help="CPU threads of each process.",
            show_default="as many as torch takes",
        ),
    ] = None,
    batch_size: BatchSize = None,
    data: Data = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    set_: Set = None,
    no_plugins: NoPlugins = False,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Also write all numbers here, as JSON.", callback=check_output
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """How fast this machine trains with each norm, where a step's time goes, and how near the machine's limit that is.

    The images are synthetic unless --data or --data-dir names others.
    """
    for option, given in (("--against", against), ("--busy", busy)):
        if full and given:
            raise ConfigError(f"{option} is a measurement of its own: give it without --full")
    from normbench.config import load_config
    from normbench.runs.registries import registries
    from normbench.runs.validate import check_parts

    usual: list[Override] = [] if data or data_dir else [("data.source", "synthetic", "")]
    overrides = [*usual, *set_overrides(set_), *recipe_overrides(model, None, batch_size, None, data, data_dir)]
    known, check = registries(plugins=not no_plugins), check_parts(within_budget=False, needs_data=True)
    show_log(quiet=quiet)
    with loading(quiet=quiet):
        configs = [
            load_config(config, known, [*overrides, ("norm.kind", kind, f"--norm {kind}")], check)
            for kind in dict.fromkeys(norm or USUAL_NORMS)
        ]
        import torch

        from normbench.bench.agreement import require_agreement
        from normbench.bench.full import FullPlan
        from normbench.bench.measure import Plan
        from normbench.bench.result import Bench
        from normbench.bench.run import Answer, run_bench
        from normbench.files import write_json_atomically
        from normbench.present.report.document import View, as_document, render_document
        from normbench.present.tables.bench import bench_tables
        from normbench.present.tables.bench_full import full_tables
        from normbench.present.tables.table import Table
        from normbench.train.machine import Machine, choose_timed_device

    machine = Machine(choose_timed_device(device), threads or torch.get_num_threads())
    if full and machine.device.type != "cuda":
        raise ConfigError("--full measures what a GPU makes of training: run it on a machine with CUDA (--device cuda)")
    loops = tuple(dict.fromkeys(loop.value for loop in against or ()))
    plan = FullPlan(rounds, steps) if full else Plan(rounds, steps, loops, busy or 0)

    def tables_of(answer: Answer) -> dict[str, Table]:
        found, setting = answer.measured, answer.setting
        return bench_tables(found, setting) if isinstance(found, Bench) else full_tables(found, setting)

    def keep(answer: Answer) -> None:
        if output is not None:
            write_json_atomically(output, as_document(tables_of(answer), answer.head, answer.warnings))

    answer = run_bench(configs, config, machine, plan, bar=not quiet and sys.stderr.isatty(), keep=keep)
    keep(answer)
    tables = tables_of(answer)
    shown = tables if format_ is TableFormat.json else {name: tables[name] for name in tables if name != "laps"}
    render_document(shown, View(format_), console(), answer.head, answer.warnings)
    if not quiet:
        for warning in answer.warnings:
            say(f"note: {warning}")
        if output is not None:
            say(f"wrote {output}")
    if not isinstance(answer.measured, Bench):
        require_agreement(answer.measured.checks)

"""`normbench train`: one run, or a few."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.options import (
    BatchSize,
    Config,
    Data,
    DataDir,
    Device,
    Epochs,
    Groups,
    LearningRate,
    Model,
    NoPlugins,
    Results,
    Set,
    Threads,
    given,
    norm_overrides,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Quiet, loading, progress_console, show_log
from normbench.cli.several import Name, Norms, each_once, norms_override, seeds_override, whole_numbers
from normbench.cli.sweep import ComparisonFlags, MachineFlags, same_command, train_and_compare
from normbench.errors import Interrupted, RunError
from normbench.sweeps.options import Options

EXAMPLE = "Example: [bold]normbench train --norm gn --data synthetic[/bold]"


def train(
    norm: Norms = None,
    config: Config = "default",
    groups: Groups = None,
    model: Model = None,
    seed: Annotated[
        list[str] | None,
        typer.Option(
            "--seed",
            "-s",
            metavar="SEED",
            help="Seeds init, order, augmentation, dropout. Several: -s 0 -s 1, or -s 0,1.",
            show_default="all of the config's",
        ),
    ] = None,
    name: Name = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    data: Data = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    threads: Threads = None,
    results: Results = Path("results"),
    set_: Set = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew what is finished or half done.")] = False,
    no_plugins: NoPlugins = False,
    quiet: Quiet = False,
) -> None:
    """Train one run: one norm, one seed, one recipe. Run again, it goes on where it was stopped.

    Several norms or seeds, in flags or in the config, are a small sweep: all are trained, several at a time, and
    compared.
    """
    norms, seeds = each_once(norm), whole_numbers(seed, "--seed")
    overrides = [
        *set_overrides(set_),
        *given(("name", name, "--name")),
        *(norms_override(norms, groups) if len(norms) > 1 else norm_overrides(norms[0] if norms else None, groups)),
        *seeds_override(seeds, "--seed"),
        *recipe_overrides(model, epochs, batch_size, lr, data, data_dir),
    ]
    from normbench.config import load_config
    from normbench.runs.registries import registries
    from normbench.runs.validate import check_parts

    show_log(quiet=quiet)
    known, check = registries(plugins=not no_plugins), check_parts(within_budget=True, needs_data=True)
    with loading(quiet=quiet):
        asks_for_several = len(norms) > 1 or len(seeds) > 1
        resolved = None if asks_for_several else load_config(config, known, overrides, check)
    if resolved is None or len(resolved.seeds) > 1:
        machine_flags, options = MachineFlags(device, threads), Options(results, restart=restart)
        train_and_compare(
            config, overrides, options, machine_flags, ComparisonFlags(), no_plugins=no_plugins, quiet=quiet
        )
        return
    with loading(quiet=quiet):
        from normbench.data.load import load_dataset
        from normbench.present.terminal.run import RunView, print_result
        from normbench.runs.events import Finished
        from normbench.runs.execute import record_before, train_run
        from normbench.runs.run_id import folder_of
        from normbench.train.machine import Machine, choose_device

    resolved = resolved.for_seed(resolved.seed)
    machine = Machine(choose_device(device), threads)
    folder, screen, bar = folder_of(resolved, results), progress_console(), not quiet and sys.stderr.isatty()
    try:
        with RunView(resolved, folder, screen, quiet=quiet) as view:
            record = None if restart else record_before(resolved, folder, machine, bar=bar)
            if record:
                view.show(Finished(record, already=True))
            else:
                dataset = load_dataset(resolved.data, bar=bar)
                record = train_run(resolved, folder, dataset, machine, restart=restart, report=view.show)
    except (Interrupted, KeyboardInterrupt) as stop:
        raise Interrupted(f"{str(stop) or 'stopped at once'}\nto go on: {same_command()}") from stop
    print_result(record, folder, screen)
    if where := record.diverged:
        raise RunError(
            f"the run diverged: the loss was {where.loss} in epoch {where.epoch}, step {where.step}; "
            f"it is recorded as such in {folder.record}. A lower learning rate (--lr) usually helps."
        )

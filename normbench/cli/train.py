"""`normbench train`: one run."""

import logging
import shlex
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
    NoPlugins,
    Norm,
    Results,
    Set,
    Threads,
    given,
    norm_overrides,
    recipe_overrides,
    set_overrides,
)
from normbench.cli.output import Quiet, console, loading, show_log
from normbench.errors import Interrupted, RunError

EXAMPLE = "Example: [bold]normbench train --norm gn --data synthetic[/bold]"

logger = logging.getLogger(__name__)


def train(
    norm: Norm = None,
    config: Config = "default",
    groups: Groups = None,
    seed: Annotated[int | None, typer.Option("--seed", "-s", help="Seeds init, order, augmentation, dropout.")] = None,
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
    """Train one run: one norm, one seed, one recipe. Run again, it goes on where it was stopped."""
    overrides = [
        *set_overrides(set_),
        *norm_overrides(norm, groups),
        *given(("seeds", None if seed is None else [seed], "--seed")),
        *recipe_overrides(epochs, batch_size, lr, data, data_dir),
    ]
    from normbench.config import load_config
    from normbench.runs.registries import registries
    from normbench.runs.validate import check_parts

    show_log(quiet=quiet)
    with loading(quiet=quiet):
        resolved = load_config(config, registries(plugins=not no_plugins), overrides, check_parts(within_budget=True))
        from normbench.data.load import load_dataset
        from normbench.present.terminal.run import RunView, print_result
        from normbench.runs.events import Finished
        from normbench.runs.execute import record_before, train_run
        from normbench.runs.run_id import folder_of
        from normbench.train.machine import Machine, choose_device

    if len(resolved.seeds) > 1:
        named = ", ".join(map(str, resolved.seeds))
        logger.info(f"the config names seeds {named}: training the first; --seed picks another")
    resolved = resolved.for_seed(resolved.seed)
    machine = Machine(choose_device(device), threads)
    folder, bar = folder_of(resolved, results), not quiet and sys.stderr.isatty()
    try:
        with RunView(resolved, folder, console(), quiet=quiet) as view:
            record = None if restart else record_before(resolved, folder, bar=bar)
            if record:
                view.show(Finished(record, already=True))
            else:
                dataset = load_dataset(resolved.data, bar=bar)
                record = train_run(resolved, folder, dataset, machine, restart=restart, report=view.show)
    except (Interrupted, KeyboardInterrupt) as stop:
        command = shlex.join(["normbench", *(word for word in sys.argv[1:] if word != "--restart")])
        raise Interrupted(f"{str(stop) or 'stopped at once'}\nto go on: {command}") from stop
    print_result(record, folder.path, console())
    if where := record.diverged:
        raise RunError(
            f"the run diverged: the loss was {where.loss} in epoch {where.epoch}, step {where.step}; "
            f"it is recorded as such in {folder.record}. A lower learning rate (--lr) usually helps."
        )

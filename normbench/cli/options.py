"""The flags that several commands share, and the config overrides that they stand for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from normbench.cli.completion import (
    complete_assignment,
    complete_config,
    complete_data,
    complete_device,
    complete_key,
    complete_model,
    complete_norm,
    complete_results,
)
from normbench.cli.limits import MOST_THREADS
from normbench.text import shortened

Config = Annotated[
    str,
    typer.Option(
        "--config", "-c", help="A YAML file, or the name of a shipped config.", autocompletion=complete_config
    ),
]
Norm = Annotated[
    str | None,
    typer.Option(
        "--norm",
        "-n",
        help="A name that `normbench norms` lists, module:Name or file.py:Name.",
        autocompletion=complete_norm,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NETWORK",
        help="The network: reference, or your own as file.py:Name or package.module:Name.",
        show_default="the config's",
        autocompletion=complete_model,
    ),
]
Groups = Annotated[
    int | None, typer.Option("--groups", "-g", help="Groups of gn and evo-s0: they must divide every channel count.")
]
Epochs = Annotated[int | None, typer.Option("--epochs", "-e", help="Epochs; the budget allows 20.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", "-b", help="Images in a training step.")]
LearningRate = Annotated[
    float | None, typer.Option("--lr", help="Learning rate of the optimizer, which the schedule scales.")
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="cifar10, cifar100, torchvision:MNIST, ...; folder, csv, npz or parquet for your own images; synthetic.",
        autocompletion=complete_data,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the data are: a folder, or a file; also NORMBENCH_DATA."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, max=MOST_THREADS, help="CPU threads of a run; their number changes its last bits."
    ),
]
Device = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, mps, ...", autocompletion=complete_device),
]
Results = Annotated[
    Path, typer.Option("--results", help="The folder in which runs are kept.", autocompletion=complete_results)
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Any config key, e.g. --set train.lr=0.05. Repeatable.", autocompletion=complete_assignment
    ),
]

NoPlugins = Annotated[
    bool,
    typer.Option(
        "--no-plugins", help="Refuse norms and networks that are code from outside of normbench, and import none."
    ),
]

RunFolders = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of runs.", show_default="results", autocompletion=complete_results),
]
Experiment = Annotated[str | None, typer.Option("--experiment", "-x", help="Only this experiment's runs.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        help="Only runs with key=value, e.g. train.epochs=20. Repeatable.",
        autocompletion=complete_assignment,
    ),
]

Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        help="The norm the others are compared with.",
        show_default="bn, or the first",
        autocompletion=complete_norm,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Compare the norms at each value of this key, e.g. train.batch_size.",
        autocompletion=complete_key,
    ),
]

Override = tuple[str, Any, str]
"""(dotted key, value, flag): the type of that name in config.overrides, whose import would slow down `--help`."""


def conditions(where: list[str] | None, experiment: str | None) -> list[str]:
    """The conditions of --where and --experiment."""
    return [*(where or []), *([f"experiment={experiment}"] if experiment else [])]


def recipe_overrides(
    model: str | None,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    data: str | None,
    data_dir: Path | None,
) -> list[Override]:
    """The overrides of the flags of the network, the recipe and the data; None is a flag that was not given."""
    return given(
        ("model.name", model, "--model"),
        ("train.epochs", epochs, "--epochs"),
        ("train.batch_size", batch_size, "--batch-size"),
        ("train.optimizer.lr", lr, "--lr"),
        ("data.source", data, "--data"),
        ("data.dir", None if data_dir is None else str(data_dir), "--data-dir"),
    )


def norm_overrides(norm: str | None, groups: int | None) -> list[Override]:
    """The overrides of the flags of the norm; None is a flag that was not given."""
    return given(("norm.kind", norm, "--norm"), ("norm.num_groups", groups, "--groups"))


def given(*options: Override) -> list[Override]:
    """The overrides whose value is not None: the flags that were given."""
    return [
        (key, value, shortened(f"{flag} {value[0] if isinstance(value, list) else value}"))
        for key, value, flag in options
        if value is not None
    ]


def set_overrides(assignments: list[str] | None) -> list[Override]:
    """The overrides of `--set key=value`. Raises typer.BadParameter for text without `=`."""
    overrides: list[Override] = []
    for text in assignments or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"{shortened(repr(text))}: expected key=value, e.g. train.lr=0.05", param_hint="--set"
            )
        overrides.append((key.strip(), value, f"--set {shortened(text)}"))
    return overrides

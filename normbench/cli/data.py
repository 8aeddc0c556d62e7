"""`normbench data`: what a data set holds, before anything is trained on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normbench.cli.commands import Command, Commands
from normbench.cli.completion import complete_assignment, complete_data
from normbench.cli.figure_options import NoTitle, Picture, Width, picture_layout
from normbench.cli.options import given, set_overrides
from normbench.cli.output import Quiet, TableFormat, console, loading, say, show_log
from normbench.errors import ConfigError

if TYPE_CHECKING:
    from normbench.config import Config
    from normbench.data.dataset import Dataset

app = typer.Typer(cls=Commands, help="What a data set holds: check, show.", no_args_is_help=True)

Place = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="A folder of images, or the name of a data source.", autocompletion=complete_data
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        help="What reads the place that DATA names.",
        show_default="folder",
        autocompletion=complete_data,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Any config key, e.g. --set data.resize=32. Repeatable.", autocompletion=complete_assignment
    ),
]


@app.command(cls=Command, epilog="Example: [bold]normbench data check my-images[/bold]")
def check(
    data: Place,
    source: Source = None,
    set_: Set = None,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    quiet: Quiet = False,
) -> None:
    """Classes, counts, size, repeats, images without contrast. Exit code 3 for data that cannot be used."""
    show_log(quiet=quiet)
    with loading(quiet=quiet):
        from normbench.data.survey import survey
        from normbench.present.report.document import View, render_document
        from normbench.present.tables.data_set import classes_of_data_table, data_table
    dataset, _ = _loaded(data, source, set_, quiet=quiet)
    found = survey(dataset)
    tables = {"data": data_table(dataset, found), "classes": classes_of_data_table(dataset, found)}
    render_document(tables, View(format_, notes=True, quiet=quiet), console(), {"name": dataset.name}, [])


SHEET = Path("samples.png")


@app.command(cls=Command, epilog="Example: [bold]normbench data show my-images --output sheet.png[/bold]")
def show(
    data: Place,
    output: Picture = SHEET,
    source: Source = None,
    split: Annotated[str, typer.Option("--split", help="train, test or val.")] = "train",
    columns: Annotated[int, typer.Option("--columns", min=1, max=20, help="Images of each class.")] = 8,
    augment: Annotated[
        bool, typer.Option("--augment", help="As training sees them, with data.augment of the config.")
    ] = False,
    set_: Set = None,
    width: Width = None,
    no_title: NoTitle = False,
    quiet: Quiet = False,
) -> None:
    """A sheet with some images of each class, as a picture."""
    layout = picture_layout(output, width, no_title=no_title)
    show_log(quiet=quiet)
    with loading(quiet=quiet):
        from normbench.data.augment.registry import AUGMENTATIONS
        from normbench.data.streams import stream
        from normbench.data.survey import splits_of
        from normbench.plots.samples import draw_samples
        from normbench.plots.save import save_figure
        from normbench.text import unknown_name
    dataset, config = _loaded(data, source, set_, quiet=quiet)
    splits = splits_of(dataset)
    if split not in splits:
        raise ConfigError(f"--split: {unknown_name('split', split, splits)}")
    images, about = splits[split].images, f"{len(splits[split]):,} {split} images"
    if augment:
        names = [choice.name for choice in config.data.augment]
        for number, choice in enumerate(config.data.augment):
            images = AUGMENTATIONS[choice.name](**choice.options)(images, stream(0, "augment", 0, 0, number))
        about += f", after {', '.join(names) or 'no augmentation'}"
    labels = splits[split].labels.numpy()
    figure = draw_samples(images.numpy(), labels, dataset.class_names, dataset.name, about, columns, layout=layout)
    save_figure(figure, output or SHEET)
    if not quiet:
        say(f"written: {output or SHEET}")


def _loaded(data: str, source: str | None, set_: list[str] | None, *, quiet: bool) -> "tuple[Dataset, Config]":
    """The data set that the command line names, and the config that it stands in."""
    from normbench.config import load_config
    from normbench.data.load import load_dataset
    from normbench.data.sources.registry import SOURCES
    from normbench.runs.registries import registries

    named = data if data in SOURCES and not Path(data).is_dir() else None
    if named and source:
        raise ConfigError(f"--data {source}: {data} is a data source already; name the place of its data instead")
    overrides = [
        *set_overrides(set_),
        *given(("data.source", named or source or "folder", "--data"), ("data.dir", None if named else data, "DATA")),
    ]
    config = load_config("default", registries(plugins=False), overrides)
    return load_dataset(config.data, bar=False if quiet else None), config

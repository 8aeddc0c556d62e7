"""The options of commands that draw figures, and the file names that pictures may have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.output import check_output
from normbench.errors import ConfigError
from normbench.plots.layout import FORMATS, FigureRequest, Layout, checked_width
from normbench.plots.save import picture_format
from normbench.text import unknown_name

_HELP = "Figures"

Figures = Annotated[
    Path | None,
    typer.Option("--figures", metavar="DIR", help="Also draw all figures into this folder.", rich_help_panel=_HELP),
]
FigureFormat = Annotated[
    list[str] | None,
    typer.Option(
        "--figure-format",
        help="png, svg or pdf. Repeatable, or with commas.",
        show_default="png,svg",
        autocompletion=lambda: list(FORMATS),
        rich_help_panel=_HELP,
    ),
]
Width = Annotated[
    float | None,
    typer.Option(
        "--width",
        help="Of figures, in inches, e.g. 3.3 for a column of a paper.",
        show_default="each figure's own",
        rich_help_panel=_HELP,
    ),
]
NoTitle = Annotated[
    bool, typer.Option("--no-title", help="Leave title and notes of figures to a caption.", rich_help_panel=_HELP)
]


def _check_picture(path: Path | None, param: typer.CallbackParam) -> Path | None:
    """`--output` of a picture, refused while the command line is parsed if it cannot be written there."""
    if path is not None:
        try:
            picture_format(path)
        except ConfigError as error:
            raise ConfigError(f"--output {error}") from error
    return check_output(path, param)


Picture = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Save the picture as this .png, .svg or .pdf.", callback=_check_picture),
]


def figure_request(
    figures: Path | None, formats: list[str] | None, width: float | None, *, no_title: bool
) -> FigureRequest | None:
    """What --figures and its options ask for, None where it is not given. Raises ConfigError for what cannot be."""
    if figures is None:
        _refuse_unused("--figures DIR", {"--figure-format": formats, "--width": width, "--no-title": no_title})
        return None
    layout = _layout(width, no_title=no_title)
    return FigureRequest(figures, _formats(formats), layout) if formats else FigureRequest(figures, layout=layout)


def picture_layout(output: Path | None, width: float | None, *, no_title: bool) -> Layout:
    """What --width and --no-title ask for beside --output. Raises ConfigError for what cannot be."""
    if output is None:
        _refuse_unused("--output FILE", {"--width": width, "--no-title": no_title})
    return _layout(width, no_title=no_title)


def _layout(width: float | None, *, no_title: bool) -> Layout:
    return Layout(checked_width(width, "--width"), title=not no_title)


def _refuse_unused(needed: str, given: Mapping[str, object]) -> None:
    if unused := [option for option, value in given.items() if value]:
        raise ConfigError(f"{unused[0]} is about pictures: add {needed}, or leave it out")


def _formats(texts: list[str]) -> tuple[str, ...]:
    found = [part.strip().lower() for text in texts for part in text.split(",")]
    for name in found:
        if name not in FORMATS:
            raise ConfigError(f"--figure-format: {unknown_name('format', name, FORMATS)}")
    return tuple(dict.fromkeys(found))

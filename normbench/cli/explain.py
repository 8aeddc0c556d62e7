"""`normbench explain`: parse, call one function, print.

Only `params --model` takes norms that are code from outside; the others take `--no-plugins` as every command does.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from normbench.cli.options import NoPlugins
from normbench.cli.output import say
from normbench.errors import ConfigError

app = typer.Typer(
    help="What a norm computes, learns and stores, on numbers one can check by hand.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    table = "table"
    json = "json"


Norms = Annotated[
    list[str] | None, typer.Option("--norm", "-n", help="Only this norm. Repeatable.", show_default="all")
]
Groups = Annotated[
    int | None, typer.Option("--groups", "-g", help="Groups of gn.", show_default="2, or 1 where C is odd")
]
Seed = Annotated[int, typer.Option("--seed", "-s", min=0, help="Of the random numbers.")]
OutputFormat = Annotated[Format, typer.Option("--format", "-f", help="table or json.")]
Picture = Annotated[Path | None, typer.Option("--output", "-o", help="Save the picture as this .png file.")]


@app.command(epilog="Example: [bold]normbench explain params --shape 64,10 --norm bn[/bold]")
def params(
    shape: Annotated[
        str | None,
        typer.Option("--shape", help="N,C or N,C,L or N,C,H,W or N,C,D,H,W.", show_default="64,16,32,32"),
    ] = None,
    norm: Norms = None,
    groups: Groups = None,
    model: Annotated[bool, typer.Option("--model", help="Count the layers of the network instead.")] = False,
    config: Annotated[str, typer.Option("--config", "-c", help="With --model: the network's config.")] = "default",
    no_plugins: NoPlugins = False,
    format_: OutputFormat = Format.table,
) -> None:
    """How many means a norm computes, how many values it learns and how many it stores."""
    from normbench.explain.params import count_norms_on
    from normbench.explain.shape import AXES, parse_shape
    from normbench.present.tables.explain import params_table
    from normbench.present.tables.table import render

    if model:
        if shape is not None:
            raise ConfigError("--model counts at the network's own shapes: leave out --shape, or --model")
        _network_params(norm or [], groups, config, format_, plugins=not no_plugins)
        return
    counts = count_norms_on(parse_shape(shape or "64,16,32,32", AXES), norm, groups)
    _show([asdict(count) for count in counts], format_, lambda console: render(params_table(counts), "table", console))


def _network_params(norm: list[str], groups: int | None, config: str, format_: Format, *, plugins: bool) -> None:
    from normbench.config import load_config
    from normbench.explain.params import count_network
    from normbench.present.tables.explain import network_table
    from normbench.present.tables.table import render
    from normbench.runs.misfits import find_misfits
    from normbench.runs.registries import build_network, registries

    if len(norm) > 1:
        raise ConfigError(f"--model counts one network, with one norm: found --norm {' --norm '.join(norm)}")
    overrides: list[tuple[str, Any, str]] = [("norm.kind", kind, f"--norm {kind}") for kind in norm]
    if groups is not None:
        overrides.append(("norm.num_groups", groups, f"--groups {groups}"))
    resolved = load_config(config, registries(plugins=plugins), overrides, find_misfits(within_budget=False))
    network = build_network(resolved, num_classes=10)
    found = count_network(network, resolved.norm.name, resolved.norm.options, resolved.train.batch_size)
    _show(asdict(found), format_, lambda console: render(network_table(found), "table", console))


@app.command(epilog="Example: [bold]normbench explain tensor --norm bn --norm ln-chw[/bold]")
def tensor(
    file: Annotated[
        Path | None,
        typer.Argument(help="Nested lists in .yaml, or a .npy file.", show_default="the parameter analysis's tensor"),
    ] = None,
    shape: Annotated[str | None, typer.Option("--shape", help="Draw a tensor of this shape at random.")] = None,
    seed: Seed = 0,
    norm: Norms = None,
    groups: Groups = None,
    momentum: Annotated[float, typer.Option("--momentum", help="The newest batch's share in what bn stores.")] = 1.0,
    affine: Annotated[
        bool | None,
        typer.Option("--affine/--no-affine", help="Learn weight and bias.", show_default="all but in, as PyTorch"),
    ] = None,
    no_plugins: NoPlugins = False,
    format_: OutputFormat = Format.table,
) -> None:
    """A small tensor through each norm in train and eval mode: statistics, output, state_dict."""
    from normbench.explain.shape import AXES, parse_shape
    from normbench.explain.tensor import document_tensor, explain_tensor, random_tensor
    from normbench.explain.tensor_file import check_size, read_tensor
    from normbench.present.terminal.tensor import print_tensor

    if file is not None and shape is not None:
        raise ConfigError(f"the tensor comes from the file {file} or is drawn with --shape {shape}, not both")
    if file is not None:
        x = read_tensor(file)
    elif shape is not None:
        sizes = parse_shape(shape, AXES)
        check_size(sizes, f"--shape {shape}")
        x = random_tensor(sizes, seed)
    else:
        x = document_tensor()
    found = explain_tensor(x, norm, groups, momentum, affine)
    _show(asdict(found), format_, lambda console: print_tensor(found, console))


@app.command(epilog="Example: [bold]normbench explain running --output running.png[/bold]")
def running(
    batches: Annotated[int, typer.Option("--batches", help="How many batches of two samples.")] = 4000,
    momentum: Annotated[float, typer.Option("--momentum", help="Of the exponential average.")] = 0.001,
    seed: Seed = 0,
    norm: Norms = None,
    groups: Groups = None,
    no_plugins: NoPlugins = False,
    output: Picture = None,
    format_: OutputFormat = Format.table,
) -> None:
    """Running statistics on a stream of small batches: exponential against cumulative average."""
    from normbench.explain.running import explain_running
    from normbench.present.report.explain_figures import draw_running
    from normbench.present.tables.explain import render_all, running_tables

    path = _picture(output)
    found = explain_running(batches, momentum, seed, norm, groups)
    if path and not found.tracked:
        raise ConfigError("--output draws running statistics, and none of these norms keeps any: add --norm bn")

    _show(asdict(found), format_, lambda console: render_all(running_tables(found), console))
    if path:
        draw_running(found, path)
        say(f"wrote {path}")


@app.command(epilog="Example: [bold]normbench explain shapes[/bold]")
def shapes(
    shape: Annotated[str, typer.Option("--shape", help="N,C,H,W of the images.")] = "100,3,28,28",
    format_: OutputFormat = Format.table,
) -> None:
    """The shape after each layer, which norm takes which input, and what is wrong where one does not fit."""
    from normbench.explain.shape import parse_shape
    from normbench.explain.shapes import explain_shapes
    from normbench.present.tables.explain import render_all, shapes_tables

    found = explain_shapes(parse_shape(shape, [4]))

    _show(asdict(found), format_, lambda console: render_all(shapes_tables(found), console))


@app.command(epilog="Example: [bold]normbench explain axes --groups 3 --output axes.png[/bold]")
def axes(
    shape: Annotated[str, typer.Option("--shape", help="N,C,H,W of the block.")] = "4,6,2,2",
    norm: Norms = None,
    groups: Groups = None,
    no_plugins: NoPlugins = False,
    output: Picture = None,
    format_: OutputFormat = Format.table,
) -> None:
    """Which values of the N, C, H, W block share a mean and a deviation, as a picture or in the terminal."""
    from normbench.explain.axes import explain_axes
    from normbench.explain.shape import parse_shape
    from normbench.present.report.explain_figures import draw_axes
    from normbench.present.terminal.axes import print_axes

    path = _picture(output)
    found = explain_axes(parse_shape(shape, [4]), norm, groups)
    if path and not found.norms:
        raise ConfigError("--output has nothing to draw: none of these norms is known to share statistics")
    if format_ is Format.json or path is None:
        _show(asdict(found), format_, lambda console: print_axes(found, console))
    if path:
        draw_axes(found, path)
        say(f"wrote {path}")


@app.command(epilog="Example: [bold]normbench explain equivalence --seed 1[/bold]")
def equivalence(
    shape: Annotated[str, typer.Option("--shape", help="N,C,H,W of the random tensor.")] = "8,16,8,8",
    seed: Seed = 0,
    format_: OutputFormat = Format.table,
) -> None:
    """GN(1) = LN and GN(C) = IN on a random tensor, and where that stops being true."""
    from normbench.explain.equivalence import explain_equivalence
    from normbench.explain.shape import parse_shape
    from normbench.present.tables.explain import equivalence_table
    from normbench.present.tables.table import render

    found = explain_equivalence(parse_shape(shape, [4]), seed)
    _show(asdict(found), format_, lambda console: render(equivalence_table(found), "table", console))


def _show(content: Any, format_: Format, table: Callable[[Console], None]) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an output that cannot show γ or · gets an escape for it
    if format_ is Format.json:
        print(json.dumps(content, indent=2, allow_nan=False))
    else:
        table(Console())


def _picture(path: Path | None) -> Path | None:
    """Checked before any work is done."""
    if path is not None and path.suffix.lower() != ".png":
        raise ConfigError(f"--output {path}: pictures are saved as PNG; give the file a name that ends in .png")
    if path is not None and not path.parent.is_dir():
        raise ConfigError(f"--output {path}: there is no folder {path.parent}")
    if path is not None and (path.is_dir() or not os.access(path.parent, os.W_OK)):
        raise ConfigError(f"--output {path}: cannot be written: it is a folder, or lies in one that is read-only")
    return path

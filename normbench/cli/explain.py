"""`normbench explain`: parse, call one function, print.

Every subcommand takes `--no-plugins`, as all commands do.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from normbench.cli.commands import Command, Commands
from normbench.cli.completion import complete_model, complete_norm
from normbench.cli.figure_options import NoTitle, Picture, Width, picture_layout
from normbench.cli.limits import MOST_SEED
from normbench.cli.options import NoPlugins, norm_overrides, recipe_overrides
from normbench.cli.output import Format, console, loading, say
from normbench.cli.unused import refuse_without
from normbench.errors import ConfigError

app = typer.Typer(
    cls=Commands,
    help="What a norm computes, learns and stores, on numbers that can be checked by hand.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Norms = Annotated[
    list[str] | None,
    typer.Option("--norm", "-n", help="Only this norm. Repeatable.", show_default="all", autocompletion=complete_norm),
]
Groups = Annotated[
    int | None, typer.Option("--groups", "-g", help="Groups of gn.", show_default="2, or 1 where C is odd")
]
Seed = Annotated[int, typer.Option("--seed", "-s", min=0, max=MOST_SEED, help="Seed of the random numbers.")]
OutputFormat = Annotated[Format, typer.Option("--format", "-f", help="table or json.")]


@app.command(cls=Command, epilog="Example: [bold]normbench explain params --shape 64,10 --norm bn[/bold]")
def params(
    context: typer.Context,
    shape: Annotated[
        str | None,
        typer.Option("--shape", help="N,C or N,C,L or N,C,H,W or N,C,D,H,W.", show_default="64,16,32,32"),
    ] = None,
    norm: Norms = None,
    groups: Groups = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="[NETWORK]",
            help="Count the norm layers of a network instead: the config's, or the one named.",
            autocompletion=complete_model,
        ),
    ] = None,
    config: Annotated[str, typer.Option("--config", "-c", help="With --model: the network's config.")] = "default",
    data: Annotated[str | None, typer.Option("--data", "-d", help="With --model: the images it takes.")] = None,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="With --model: the folder of its images.")] = None,
    no_plugins: NoPlugins = False,
    format_: OutputFormat = Format.table,
) -> None:
    """How many means a norm computes, how many values it learns and how many it stores."""
    if model is None:
        refuse_without("--model", context, ["config", "data", "data_dir"])
    kinds = _kinds(norm, plugins=not no_plugins)
    with loading():
        from normbench.explain.network import count_configured_network
        from normbench.explain.params import count_norms_on
        from normbench.explain.shape import AXES, parse_shape
        from normbench.present.tables.explain import network_table, params_table
        from normbench.present.tables.render import render

    if model is None:
        counts = count_norms_on(parse_shape(shape or "64,16,32,32", AXES), kinds, groups)
        content = [asdict(count) for count in counts]
        _show(content, format_, lambda out: render(params_table(counts), "table", out))
        return
    if shape is not None:
        raise ConfigError("--model counts at the network's own shapes: leave out --shape, or --model")
    if norm and len(norm) > 1:
        raise ConfigError(f"--model counts one network, with one norm: found --norm {' --norm '.join(norm)}")
    overrides = [
        *norm_overrides(norm[0] if norm else None, groups),
        *recipe_overrides(model or None, None, None, None, data, data_dir),
    ]
    found = count_configured_network(config, overrides, plugins=not no_plugins)
    _show(asdict(found), format_, lambda out: render(network_table(found), "table", out))


@app.command(cls=Command, epilog="Example: [bold]normbench explain tensor --norm bn --norm ln-chw[/bold]")
def tensor(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="Nested lists in .yaml, or a .npy file.", show_default="a small example"),
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
    if shape is None:
        refuse_without("--shape", context, ["seed"])
    kinds = _kinds(norm, plugins=not no_plugins)
    with loading():
        from normbench.explain.tensor import explain_tensor
        from normbench.explain.tensor_input import choose_tensor
        from normbench.present.terminal.tensor import print_tensor

    found = explain_tensor(choose_tensor(file, shape, seed), kinds, groups, momentum, affine)
    _show(asdict(found), format_, lambda out: print_tensor(found, out))


@app.command(cls=Command, epilog="Example: [bold]normbench explain running --output running.png[/bold]")
def running(
    batches: Annotated[int, typer.Option("--batches", help="How many batches of two samples.")] = 4000,
    momentum: Annotated[
        float, typer.Option("--momentum", help="The newest batch's share in the exponential average.")
    ] = 0.001,
    seed: Seed = 0,
    norm: Norms = None,
    groups: Groups = None,
    no_plugins: NoPlugins = False,
    output: Picture = None,
    width: Width = None,
    no_title: NoTitle = False,
    format_: OutputFormat = Format.table,
) -> None:
    """Running statistics on a stream of small batches: exponential against cumulative average."""
    kinds = _kinds(norm, plugins=not no_plugins)
    with loading():
        from normbench.explain.running import explain_running
        from normbench.plots.save import save_figure
        from normbench.present.report.explain_figures import draw_running
        from normbench.present.tables.explain import render_all, running_tables

    layout = picture_layout(output, width, no_title=no_title)
    found = explain_running(batches, momentum, seed, kinds, groups)
    if output and not found.tracked:
        raise ConfigError("--output draws running statistics, and none of these norms keeps any: add --norm bn")
    _show(asdict(found), format_, lambda out: render_all(running_tables(found), out))
    if output:
        save_figure(draw_running(found, layout), output)
        say(f"wrote {output}")


@app.command(cls=Command, epilog="Example: [bold]normbench explain shapes[/bold]")
def shapes(
    shape: Annotated[str, typer.Option("--shape", help="N,C,H,W of the images.")] = "100,3,28,28",
    format_: OutputFormat = Format.table,
) -> None:
    """The shape after each layer, which norm takes which input, and what is wrong where one does not fit."""
    with loading():
        from normbench.explain.shape import parse_shape
        from normbench.explain.shapes import explain_shapes
        from normbench.present.tables.explain import render_all, shapes_tables

    found = explain_shapes(parse_shape(shape, [4]))
    _show(asdict(found), format_, lambda out: render_all(shapes_tables(found), out))


@app.command(cls=Command, epilog="Example: [bold]normbench explain axes --groups 3 --output axes.png[/bold]")
def axes(
    shape: Annotated[str, typer.Option("--shape", help="N,C,H,W of the block.")] = "4,6,2,2",
    norm: Norms = None,
    groups: Groups = None,
    no_plugins: NoPlugins = False,
    output: Picture = None,
    width: Width = None,
    no_title: NoTitle = False,
    format_: OutputFormat = Format.table,
) -> None:
    """Which values of the N, C, H, W block share a mean and a deviation, as a picture or in the terminal."""
    kinds = _kinds(norm, plugins=not no_plugins)
    with loading():
        from normbench.explain.axes import explain_axes
        from normbench.explain.shape import parse_shape
        from normbench.plots.save import save_figure
        from normbench.present.report.explain_figures import draw_axes
        from normbench.present.terminal.axes import print_axes

    layout = picture_layout(output, width, no_title=no_title)
    found = explain_axes(parse_shape(shape, [4]), kinds, groups)
    if output and not found.norms:
        raise ConfigError("--output has nothing to draw: none of these norms is known to share statistics")
    if format_ is Format.json or output is None:
        _show(asdict(found), format_, lambda out: print_axes(found, out))
    if output:
        save_figure(draw_axes(found, layout), output)
        say(f"wrote {output}")


@app.command(cls=Command, epilog="Example: [bold]normbench explain equivalence --seed 1[/bold]")
def equivalence(
    shape: Annotated[str, typer.Option("--shape", help="N,C,H,W of the random tensor.")] = "8,16,8,8",
    seed: Seed = 0,
    format_: OutputFormat = Format.table,
) -> None:
    """GN(1) = LN and GN(C) = IN on a random tensor, and where that stops being true."""
    with loading():
        from normbench.explain.equivalence import explain_equivalence
        from normbench.explain.shape import parse_shape
        from normbench.present.tables.explain import equivalence_table
        from normbench.present.tables.render import render

    found = explain_equivalence(parse_shape(shape, [4]), seed)
    _show(asdict(found), format_, lambda out: render(equivalence_table(found), "table", out))


def _kinds(names: list[str] | None, *, plugins: bool) -> list[str] | None:
    """The norms that `--norm` names. Raises ConfigError for an unknown one, and for a plugin that is not allowed."""
    from normbench.norms import NORMS, norm_registry

    kinds = []
    for name in names or ():
        kind, options = norm_registry(plugins=plugins).named(name)
        if options:
            raise ConfigError(f"--norm {name}: name the norm alone, {kind}; --groups sets its groups")
        if kind not in NORMS and not plugins:
            norm_registry(plugins=False)[kind]  # raises ConfigError
        kinds.append(kind)
    return kinds or None


def _show(content: Any, format_: Format, print_text: Callable[[Console], None]) -> None:
    """Prints `content` as JSON, or calls `print_text`."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for an encoding without γ or ·
    if format_ is Format.json:
        print(json.dumps(content, indent=2, allow_nan=False))
    else:
        print_text(console())

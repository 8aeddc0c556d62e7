"""`normbench compare`: parse, call one function, print."""

from pathlib import Path
from typing import Annotated

import typer

from normbench.cli_output import Quiet, TableFormat, console, say

EXAMPLE = "Example: [bold]normbench compare results/default --format md[/bold]"


def compare(
    paths: Annotated[list[Path] | None, typer.Argument(help="Folders of runs.", show_default="results")] = None,
    experiment: Annotated[str | None, typer.Option("--experiment", "-x", help="Only this experiment's runs.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="Only runs with key=value, e.g. train.epochs=20. Repeatable."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="A folder for all figures, as PNG and SVG.", show_default=False)
    ] = None,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    quiet: Quiet = False,
) -> None:
    """The metrics table over the runs that are there: a row a norm, means and 95 % intervals over seeds."""
    from normbench.analysis.load import compare_runs
    from normbench.present.comparison import comparison_table
    from normbench.present.tables import render

    conditions = [*(where or []), *([f"experiment={experiment}"] if experiment else [])]
    comparison, notes = compare_runs(paths or [Path("results")], conditions)
    render(comparison_table(comparison), format_, console())
    if not quiet:
        for note in notes:
            say(f"note: {note}")
    if figures is not None:
        from normbench.present.figures import draw_comparison

        draw_comparison(comparison, figures, (lambda text: None) if quiet else say)

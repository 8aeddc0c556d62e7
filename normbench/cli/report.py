"""`normbench report`: a comparison as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.completion import complete_key, complete_norm
from normbench.cli.options import Experiment, RunFolders, Where, conditions
from normbench.cli.output import Quiet, check_output, say, show_log

EXAMPLE = "Example: [bold]normbench report results/default --output report.html[/bold]"


def report(
    paths: RunFolders = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.", callback=check_output)] = Path(
        "report.html"
    ),
    experiment: Experiment = None,
    where: Where = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="The norm the others are compared with.",
            show_default="bn, or the first",
            autocompletion=complete_norm,
        ),
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option("--delta", help="The difference that matters, in points of accuracy.", show_default="0.5"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            help="Compare the norms at each value of this key, e.g. train.batch_size.",
            autocompletion=complete_key,
        ),
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether figures may show images of the data set.")
    ] = True,
    quiet: Quiet = False,
) -> None:
    """The comparison as one page for a browser: answer, tables, figures, every run. It needs no network."""
    from normbench.analysis.compare.compare import Options
    from normbench.analysis.compare.comparisons import comparisons
    from normbench.errors import ConfigError
    from normbench.present.page.page import write_page

    if delta is not None and not 0 < delta <= 100:
        raise ConfigError(f"--delta {delta:g}: give points of accuracy, above 0, e.g. 0.5")
    show_log(quiet=quiet)
    places = paths or [Path("results")]
    found = comparisons(places, conditions(where, experiment), Options(baseline, delta=delta, by=by), {"predictions"})
    write_page(output, found, [str(place) for place in places], images=images)
    if not quiet:
        say(f"written: {output}")

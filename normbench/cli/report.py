"""`normbench report`: a comparison as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.options import Baseline, By, Experiment, RunFolders, Where, conditions
from normbench.cli.output import Quiet, check_output, say, show_log

EXAMPLE = "Example: [bold]normbench report results/default --output report.html[/bold]"


def report(
    paths: RunFolders = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.", callback=check_output)] = Path(
        "report.html"
    ),
    experiment: Experiment = None,
    where: Where = None,
    baseline: Baseline = None,
    delta: Annotated[
        float | None,
        typer.Option("--delta", help="The difference that matters, in points of accuracy.", show_default="0.5"),
    ] = None,
    by: By = None,
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

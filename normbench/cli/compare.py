"""`normbench compare`: the comparison of each set of runs that may be compared."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from normbench.cli.completion import complete_run
from normbench.cli.figure_options import FigureFormat, Figures, NoTitle, Width, figure_request
from normbench.cli.options import Baseline, By, Experiment, RunFolders, Where, conditions
from normbench.cli.output import Quiet, Report, TableFormat, console, say, show_log
from normbench.cli.unused import refuse_beside, refuse_without
from normbench.errors import ConfigError

EXAMPLE = "Example: [bold]normbench compare results/default --baseline bn --delta 0.5[/bold]"
_MORE = "More tables"
_LOOK = "Looks"
RESULTS = Path("results")
"""Where one's own runs are."""


class TableName(StrEnum):
    norms = "norms"
    grid = "grid"
    pairs = "pairs"
    metrics = "metrics"
    time_to = "time_to"
    calibration = "calibration"
    classes = "classes"
    runs = "runs"


def compare(
    context: typer.Context,
    paths: RunFolders = None,
    experiment: Experiment = None,
    where: Where = None,
    all_sets: Annotated[
        bool, typer.Option("--all-sets", help="Compare all sets of runs, not only the three newest.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse runs of several sets or environments, instead of naming what differs."),
    ] = False,
    baseline: Baseline = None,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", "-a", help="Compare every norm with every other.")] = False,
    delta: Annotated[
        float | None,
        typer.Option(
            "--delta",
            help="The difference that matters, in points of accuracy.",
            show_default="0.5, or that of the sweep until decided",
        ),
    ] = None,
    by: By = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Also the tests of each pair, and every metric.", rich_help_panel=_MORE),
    ] = False,
    runs: Annotated[bool, typer.Option("--runs", help="Also one row per run.", rich_help_panel=_MORE)] = False,
    to_accuracy: Annotated[
        float | None,
        typer.Option("--to-accuracy", help="Also epochs and seconds to this accuracy in %.", rich_help_panel=_MORE),
    ] = None,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="Also calibration error and NLL.", rich_help_panel=_MORE)
    ] = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Also accuracy class by class.", rich_help_panel=_MORE)
    ] = False,
    mcnemar: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--mcnemar",
            metavar="RUN_A RUN_B",
            help="Instead: McNemar's test of two runs, by folder or run id.",
            autocompletion=complete_run,
            rich_help_panel=_MORE,
        ),
    ] = None,
    only: Annotated[
        TableName | None,
        typer.Option("--only", help="Print this table only; csv prints the first one.", rich_help_panel=_MORE),
    ] = None,
    figures: Figures = None,
    figure_format: FigureFormat = None,
    width: Width = None,
    no_title: NoTitle = False,
    report: Report = None,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns", help="Only these columns of the first table, e.g. 'n,test acc'.", rich_help_panel=_LOOK
        ),
    ] = None,
    notes: Annotated[
        bool, typer.Option("--notes", help="All notes on how to read the tables.", rich_help_panel=_LOOK)
    ] = False,
    caption: Annotated[
        str | None, typer.Option("--caption", help="The caption of the first latex table.", rich_help_panel=_LOOK)
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="Its label.", show_default="tab:norms", rich_help_panel=_LOOK),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """What the runs say: for each pair of norms whether the difference is real, and one row per norm with its means."""
    if mcnemar is not None:
        used = ("paths", "mcnemar", "format_", "quiet")
        refuse_beside("--mcnemar", context, {option.name or "" for option in context.command.params} - set(used))
        _two_runs(*mcnemar, paths or [RESULTS], format_)
        return
    if format_ is not TableFormat.latex:
        refuse_without("--format latex", context, ["caption", "label"])
    request = figure_request(figures, figure_format, width, no_title=no_title)
    if delta is not None and not 0 < delta <= 100:
        raise ConfigError(f"--delta {delta:g}: give points of accuracy, above 0, e.g. 0.5")
    if to_accuracy is not None and not 1 < to_accuracy <= 100:
        raise ConfigError(f"--to-accuracy {to_accuracy:g}: give an accuracy in %, above 1, e.g. 80")
    show_log(quiet=quiet)
    on_demand = {"runs": runs, "time_to": to_accuracy is not None}
    on_demand |= {"calibration": calibration, "classes": per_class}
    asked = [name for name, is_asked in on_demand.items() if is_asked]
    wanted = only.value if only else None
    with _without_garbage_collection():
        from normbench.analysis.compare.compare import Options
        from normbench.analysis.compare.comparisons import MOST_SETS, comparisons
        from normbench.present.report.document import View
        from normbench.present.report.sets import Wanted, render_comparisons
        from normbench.present.report.tables import table_needs

        needs = table_needs([wanted] if wanted else asked)
        if request is not None:
            from normbench.present.report.figures import draw_comparisons, figure_needs

            needs |= figure_needs(by)
        if report is not None:
            needs |= {"predictions"}
        options = Options(baseline, all_pairs, delta, by, strict)
        places = paths or [RESULTS]
        found = comparisons(places, conditions(where, experiment), options, needs, most=None if all_sets else MOST_SETS)
        view = View(format_, notes, quiet, _names(columns), caption, label)
        left_out = render_comparisons(found, Wanted(asked, full, wanted, to_accuracy), view, console())
        if not quiet:
            for note in left_out:
                say(f"note: {note}")
        if request is not None:
            draw_comparisons(found, request)
        if report is not None:
            from normbench.present.page.page import write_page

            write_page(report, found, [str(place) for place in places], images=True)
            if not quiet:
                say(f"written: {report}")


def _names(columns: list[str] | None) -> tuple[str, ...]:
    """The names in `--columns a,b --columns c`."""
    return tuple(name.strip() for text in columns or [] for name in text.split(",") if name.strip())


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Within, no garbage is collected: the runs are kept to the end, and the search would take a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _two_runs(a: str, b: str, places: list[Path], format_: TableFormat) -> None:
    from normbench.analysis.compare.two_runs import compare_two
    from normbench.present.report.document import View, render_document
    from normbench.present.tables.two_runs import two_runs_table

    render_document({"mcnemar": two_runs_table(compare_two(a, b, places))}, View(format_), console(), {}, [])

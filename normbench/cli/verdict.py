"""`normbench verdict`: what anybody's numbers say, by the statistics of `compare`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normbench.cli.limits import MOST_RUNS
from normbench.cli.output import Quiet, TableFormat, console
from normbench.cli.unused import refuse_beside, refuse_without
from normbench.errors import AnotherAnswer

if TYPE_CHECKING:
    from normbench.analysis.stats.pairs import Pair

EXAMPLE = "Example: [bold]normbench verdict timings.csv --metric seconds --unit s --delta 0.1[/bold]"
_COLUMNS = "Columns"


class Word(StrEnum):
    real = "real"
    above = "above"
    below = "below"
    equivalent = "equivalent"
    undecided = "undecided"


def verdict(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A table: .csv, .tsv, .jsonl or .parquet; - for CSV or JSON lines on stdin."
        ),
    ],
    delta: Annotated[
        float, typer.Option("--delta", help="The smallest difference that matters to you, in the values' unit.")
    ],
    arm: Annotated[
        str, typer.Option("--arm", help="The column that names what is compared.", rich_help_panel=_COLUMNS)
    ] = "arm",
    seed: Annotated[
        str,
        typer.Option(
            "--seed",
            help="The column that pairs the runs of two arms; without it none are.",
            rich_help_panel=_COLUMNS,
        ),
    ] = "seed",
    metric: Annotated[str, typer.Option("--metric", help="The column of values.", rich_help_panel=_COLUMNS)] = "metric",
    by: Annotated[
        str | None,
        typer.Option("--by", help="A further column: arms are compared at each value.", rich_help_panel=_COLUMNS),
    ] = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="Each column but --seed and --by is an arm.", rich_help_panel=_COLUMNS)
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="The arm the others are compared with.", show_default="the first"),
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", "-a", help="Compare every arm with every other.")] = False,
    unit: Annotated[str, typer.Option("--unit", help="The unit of the values, for the sentences.")] = "",
    sequential: Annotated[
        Path | None,
        typer.Option("--sequential", help="Take the next planned look; this file keeps the plan and what was seen."),
    ] = None,
    max_seeds: Annotated[
        int, typer.Option("--max-seeds", min=3, max=MOST_RUNS, help="The most seeds of an arm that --sequential plans.")
    ] = 30,
    fail_unless: Annotated[
        Word | None,
        typer.Option(
            "--fail-unless",
            help="Exit code 5 unless each pair is this. above, below: real, and the arm above or below the baseline.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Also the tests of each pair.")] = False,
    notes: Annotated[bool, typer.Option("--notes", help="All notes on how to read the tables.")] = False,
    format_: Annotated[TableFormat, typer.Option("--format", "-f")] = TableFormat.table,
    quiet: Quiet = False,
) -> None:
    """What a table of numbers says: for each pair of arms whether the difference is real. Any numbers, of anything."""
    from normbench.analysis.values.judge import judge_values
    from normbench.analysis.values.looks import look
    from normbench.analysis.values.read import Columns, read_values
    from normbench.present.report.document import View, render_document
    from normbench.present.tables.values import arms_table, value_pairs_table

    if sequential is None:
        refuse_without("--sequential", context, ["max_seeds"])
    if wide:
        refuse_beside("--wide", context, ["arm", "metric"])
    columns = Columns(arm, seed, metric, by, arms=() if wide else None)
    judged = judge_values(read_values(file, columns), baseline, all_pairs=all_pairs, delta=delta, unit=unit)
    looked = look(judged, sequential, max_seeds) if sequential is not None else None
    judged = looked.judged if looked else judged
    tables = {"arms": arms_table(judged, looked)}
    if full or format_ is TableFormat.json:
        tables["pairs"] = value_pairs_table(judged)
    head = {"metric": judged.values.metric, "unit": unit, "delta": delta, "baseline": judged.baseline}
    if looked:
        head |= {"looks_taken": looked.plan.look + 1, "looks": list(looked.plan.looks), "next": looked.next_step}
    render_document(tables, View(format_, notes, quiet), console(), head, [])
    if fail_unless is not None:
        _check(judged.pairs, fail_unless)


def _check(pairs: "tuple[Pair, ...]", wanted: Word) -> None:
    """Raises AnotherAnswer unless each pair has the word."""
    others = [f"{pair.a} - {pair.b}: {pair.verdict.kind}" for pair in pairs if not _is(pair, wanted)]
    if others or not pairs:
        raise AnotherAnswer(f"--fail-unless {wanted.value}: {'; '.join(others) or 'there is no verdict yet'}")


def _is(pair: "Pair", wanted: Word) -> bool:
    if wanted not in (Word.above, Word.below):
        return pair.verdict.kind == wanted.value
    difference = (pair.decision or pair.difference).difference
    side = Word.above if difference is not None and difference > 0 else Word.below
    return pair.verdict.kind == "real" and side is wanted

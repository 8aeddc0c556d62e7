"""McNemar's test of two runs, as a table."""

from normbench.analysis.compare.two_runs import TwoRuns
from normbench.present.tables.numbers import mean_and_interval, p_value
from normbench.present.tables.table import Table
from normbench.runs.record import Record


def two_runs_table(found: TwoRuns) -> Table:
    """One row: images by which network classifies them correctly, the difference in points, and p."""
    test, split = found.test, found.a.data.evaluated_on
    names = name_a, name_b = _name(found.a), _name(found.b)
    difference = mean_and_interval(test.difference, test.low, test.high, 100, 2, signed=True)
    return Table(
        title=f"Do these two trained networks differ on the {split} images?",
        columns=("A", "B", "Both right", "Only A", "Only B", "Neither", "Diff", "p"),
        rows=(
            (
                *names,
                f"{found.both_right:,}",
                f"{test.only_a:,}",
                f"{test.only_b:,}",
                f"{found.both_wrong:,}",
                difference,
                p_value(test.p_value),
            ),
        ),
        records=(
            {
                "a": name_a,
                "b": name_b,
                "num_images": test.n,
                "both_right": found.both_right,
                "only_a_right": test.only_a,
                "only_b_right": test.only_b,
                "neither_right": found.both_wrong,
                "difference": test.difference,
                "difference_low": test.low,
                "difference_high": test.high,
                "mcnemar_p": test.p_value,
                "why_undefined": test.why_undefined,
            },
        ),
        notes=(
            f"McNemar's mid-p test over {test.n:,} images; Diff: A minus B in points with its 95% interval. "
            "It answers for these two networks only: two seeds of one norm differ too, so it says nothing about the "
            "norms. For those, compare several seeds of each.",
        ),
        num_text_columns=2,
    )


def _name(record: Record) -> str:
    return f"{record.label} seed {record.seed}"

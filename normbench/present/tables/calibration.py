"""Calibration and accuracy class by class, as tables."""

from collections.abc import Sequence

from normbench.analysis.compare.calibration import Calibration
from normbench.analysis.compare.compare import Comparison
from normbench.analysis.stats.calibration import NUM_BINS
from normbench.present.tables.along import Along
from normbench.present.tables.numbers import estimate_record, with_interval
from normbench.present.tables.table import NOT_KNOWN, Cell, Table


def calibration_table(comparison: Comparison, found: Sequence[Calibration]) -> Table:
    """One row per norm: expected calibration error in %, negative log-likelihood in nats, each with its interval."""
    along = Along(comparison.key)
    return Table(
        title=f"Calibration on the {comparison.split} images",
        columns=("Norm", *along.columns, "n", "ECE", "NLL"),
        rows=tuple(
            (
                of_norm.label,
                *along.cells(of_norm.by),
                str(of_norm.n),
                with_interval(of_norm.calibration_error, 100, 2),
                with_interval(of_norm.nll, 1, 3),
            )
            for of_norm in found
        ),
        records=tuple(
            {
                "norm": of_norm.label,
                **along.record(of_norm.by),
                "n": of_norm.n,
                **estimate_record("expected_calibration_error", of_norm.calibration_error),
                **estimate_record("nll", of_norm.nll),
                "num_bins": NUM_BINS,
                "why_no_interval": of_norm.calibration_error.why_undefined,
            }
            for of_norm in found
        ),
        notes=(
            f"ECE: how far confidence and accuracy are apart, in points, over {NUM_BINS} equally wide bins of "
            "confidence (Guo et al. 2017); NLL: mean negative log-likelihood in nats. Of the saved logits, n runs.",
        ),
    )


def classes_table(comparison: Comparison, found: Sequence[Calibration]) -> Table:
    """One row per class, one column per norm: accuracy in % on its images, mean over seeds with interval."""
    along = Along(comparison.key)
    names = found[0].classes if found else ()
    return Table(
        title=f"{comparison.split.capitalize()} accuracy in % by class",
        columns=("Class", *(_column(along, of_norm) for of_norm in found)),
        rows=tuple((name, *(_class_cell(of_norm, index) for of_norm in found)) for index, name in enumerate(names)),
        records=tuple(
            {
                "norm": of_norm.label,
                **along.record(of_norm.by),
                "class": name,
                "n": of_norm.n,
                **estimate_record("accuracy", of_norm.per_class[index]),
            }
            for of_norm in found
            for index, name in enumerate(names)
        ),
        notes=("Mean over n seeds and its 95% t interval, where n > 1, of the saved predictions.",),
    )


def _column(along: Along, of_norm: Calibration) -> str:
    values = zip(along.columns, along.cells(of_norm.by), strict=True)
    return " ".join([of_norm.label, *(f"{key}={value}" for key, value in values), f"n={of_norm.n}"])


def _class_cell(of_norm: Calibration, index: int) -> Cell:
    estimate = of_norm.per_class[index]
    return NOT_KNOWN if estimate is None else with_interval(estimate, 100, 1)

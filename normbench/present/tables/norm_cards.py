"""The table of `normbench norms --full`."""

from collections.abc import Mapping, Sequence

from normbench.bench.step_times import Ratio
from normbench.models.norm_cards import NormCard
from normbench.present.tables.table import Cell, Table, Value


def norm_table(cards: Sequence[NormCard], times: Mapping[str, Ratio] | None) -> Table:
    """A row for each norm; `times`, if measured, are times of a step by kind, as multiples of bn's."""
    timed = times is not None
    columns = ("norm", "label", "learns", "stores", "parameters", "budget")
    limit = cards[0].max_parameters
    notes = [
        "parameters: the norm's own, of all in the reference network (10 classes)",
        "budget: "
        + (
            "no limit set"
            if limit is None
            else f"at most {limit:,} parameters in all; `affine: false` saves its weight and bias"
        ),
        "each takes `ws: true` besides: weight standardization of the convs, which costs no parameters",
    ]
    if timed:
        notes.append(
            "step: forward and backward on this machine over bn's in the same round: the median [95 % interval]"
        )
    return Table(
        title="Norms, with their default options",
        columns=(*columns, "step") if timed else columns,
        rows=tuple(_row(card, times) for card in cards),
        records=tuple(_record(card, times) for card in cards),
        notes=tuple(notes),
        num_text_columns=4,
        dispensable=("stores", "label"),
    )


def _row(card: NormCard, times: Mapping[str, Ratio] | None) -> tuple[Cell, ...]:
    return (
        card.kind,
        card.label,
        _listed(card.learns),
        _listed(card.stores),
        f"{card.norm_parameters:,} of {card.num_parameters:,}",
        "fits" if card.fits_budget else "over",
        *(() if times is None else (_time(times[card.kind]),)),
    )


def _record(card: NormCard, times: Mapping[str, Ratio] | None) -> dict[str, Value]:
    record: dict[str, Value] = {
        "norm": card.kind,
        "label": card.label,
        "does": card.sentence,
        "learns": ", ".join(card.learns),
        "stores": ", ".join(card.stores),
        "norm_parameters": card.norm_parameters,
        "num_parameters": card.num_parameters,
        "max_parameters": card.max_parameters,
        "fits_budget": card.fits_budget,
    }
    if times is None:
        return record
    median, low, high = times[card.kind]
    return record | {
        "step_relative_to_bn": median,
        "step_relative_to_bn_low": low,
        "step_relative_to_bn_high": high,
    }


def _time(ratio: Ratio) -> Cell:
    if ratio.low == ratio.high:
        return f"{ratio.median:.2f}"
    return f"{ratio.median:.2f}", f"[{ratio.low:.2f},", f"{ratio.high:.2f}]"


def _listed(names: Sequence[str]) -> Cell:
    if not names:
        return "nothing"
    return (*(f"{name}," for name in names[:-1]), names[-1])

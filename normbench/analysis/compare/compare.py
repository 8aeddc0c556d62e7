"""A set of runs -> a comparison of its norms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from normbench.analysis.compare.by import Grid, ascending, grid, value_of
from normbench.analysis.compare.environment import Environment, environment, environment_sentence
from normbench.analysis.compare.pairs import DELTA, baseline_of, compare_pairs
from normbench.analysis.compare.recipe import shared, varying_sentence
from normbench.analysis.compare.rows import NormRow, norm_row, order, same_norm, when
from normbench.analysis.compare.run import Run
from normbench.analysis.compare.sets import RunSet
from normbench.analysis.compare.until_decided import ONE_LOOK, as_decided
from normbench.analysis.stats.estimate import CONFIDENCE
from normbench.analysis.stats.pairs import By, Pair
from normbench.analysis.stats.ranks import Rank, ranks
from normbench.runs.record import Record
from normbench.runs.sweep_records import Decisions, Tuning
from normbench.text import capped, listed, printable

MOST_NOTES = 5
"""Of one kind."""

ALL_PAIRS_OF = 3
"""So many norms are all compared with one another, without being asked for it."""


@dataclass(frozen=True)
class Options:
    """`delta`, in points of accuracy, is the smallest difference that matters.

    `baseline` is a norm's label or kind; without one, up to three norms are all compared with one another.

    Without a `delta`, that of a sweep until decided is taken for its runs, DELTA for others. `by` is a config key along
    which the norms are compared. `strict` refuses more than one set of runs, and runs of different environments.
    """

    baseline: str | None = None
    all_pairs: bool = False
    delta: float | None = None
    by: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class Comparison:
    """Norms under one recipe on the same data. `split` names the images that the runs were evaluated on: test or val.

    With `grid`, a row is a norm at one value of the grid's key (`row.by`), and the runs share a recipe at each value.
    """

    split: str
    rows: tuple[NormRow, ...]
    experiments: tuple[str, ...]
    source: str
    data: str
    """What the data are called."""
    fingerprint: str
    num_train: int
    num_eval: int
    recipe: Mapping[str, Any]
    """What all runs share, by dotted key."""
    environment: Mapping[str, tuple[str, ...]]
    """Device, precision, versions by dotted key: the values found, in the order of the runs."""
    confidence: float = CONFIDENCE
    baseline: str = ""
    delta: float = DELTA
    pairs: tuple[Pair, ...] = ()
    ranks: Mapping[tuple[str, By], Rank] = field(default_factory=dict)
    """By label, and value of the grid's key; empty unless all of more than three norms are compared with all others."""
    grid: Grid | None = None
    tuning: Tuning | None = None
    decisions: Decisions | None = None
    differs: tuple[str, ...] = ()
    """What is not the same for all runs, in sentences: no table of the comparison stands without them."""

    @property
    def key(self) -> str | None:
        """The key that the comparison goes along."""
        return self.grid.key if self.grid else None


def compare(
    found: RunSet, options: Options | None = None, decisions: Decisions | None = None
) -> tuple[Comparison, list[str]]:
    """The comparison of the norms of a set, and notes on what a reader should know about its runs.

    `decisions` brings the verdicts of a sweep until decided, if these are the runs that it looked at. Of several runs
    with one norm and seed the newest is used. Raises ConfigError for a baseline that no run has.
    """
    options, key = options or Options(), found.key
    newest, duplicates = _newest(found.runs, key)
    values = ascending({value_of(run.record, key) for run in newest})
    kept = sorted(newest, key=lambda run: (order(run.record), values.index(value_of(run.record, key)), run.record.seed))
    by_norm: dict[tuple[str, By], list[Run]] = {}
    for run in kept:
        by_norm.setdefault((same_norm(run.record), value_of(run.record, key)), []).append(run)
    data = kept[0].record.data
    metric = f"{data.evaluated_on}_accuracy"
    rows = [norm_row(group, data.evaluated_on, by) for (_, by), group in by_norm.items()]
    baseline = baseline_of(rows, options.baseline)
    all_pairs = options.all_pairs or (options.baseline is None and key is None and len(rows) <= ALL_PAIRS_OF)
    delta = options.delta or (decisions.delta if decisions else DELTA)
    pairs = compare_pairs(_rivals(rows, key), metric, baseline, all_pairs=all_pairs, delta=delta)
    not_used: str | None = None
    if decisions:
        if key is None:
            pairs, not_used = as_decided(pairs, rows, decisions, delta)
        else:
            not_used = f"decisions.json is not used: it is no comparison along {key}; {ONE_LOOK}"
    records = [run.record for run in kept]
    made_in = environment(records)
    comparison = Comparison(
        split=data.evaluated_on,
        rows=tuple(rows),
        experiments=tuple(sorted({record.experiment for record in records})),
        source=data.source,
        data=data.called,
        fingerprint=data.fingerprint,
        num_train=data.num_train,
        num_eval=data.num_eval,
        recipe=shared(list(found.recipes.values())),
        environment={name: tuple(values) for name, values in made_in.items()},
        baseline=baseline,
        delta=delta,
        pairs=pairs,
        ranks=_ranks(_rivals(rows, key), pairs),
        grid=None if key is None else grid(rows, key, metric),
        tuning=found.tuning,
        decisions=None if not_used else decisions,
        differs=tuple(([not_used] if not_used else []) + _differs(found, rows, made_in)),
    )
    diverged = [_diverged_note(record) for record in records if not record.metrics]
    return comparison, [
        *capped(duplicates, MOST_NOTES, "duplicates"),
        *capped(diverged, MOST_NOTES, "diverged runs"),
    ]


def _differs(found: RunSet, rows: Sequence[NormRow], made_in: Environment) -> list[str]:
    made = environment_sentence(made_in)
    settings = None if found.key is None else varying_sentence(found.recipes, found.key)
    networks = [_mixed_model(row) for row in rows if len({_network(run.record) for run in row.runs}) > 1]
    also = sorted({(it.name, it.fingerprint) for row in rows for run in row.finished if (it := run.record.also_test)})
    tested = f"Also Acc is over different images: {listed([name for name, _ in also])}." if len(also) > 1 else None
    return [sentence for sentence in (made, settings, *networks, _mixed_statistics(rows), tested) if sentence]


def _mixed_statistics(rows: Sequence[NormRow]) -> str | None:
    """A sentence if some runs took their precise statistics over augmented images, and older ones did not."""
    taken = {
        (row.label, run.record.statistics.precise_augmented)
        for row in rows
        for run in row.finished
        if run.record.statistics is not None
    }
    older = dict.fromkeys(row.label for row in rows if (row.label, False) in taken)
    if not older or not any(is_augmented for _, is_augmented in taken):
        return None
    return (
        "Precise statistics, with which PN is evaluated, are of augmented images, "
        f"but in older runs of {listed(list(older))} of images without augmentation."
    )


def _rivals(rows: Sequence[NormRow], key: str | None) -> list[list[NormRow]]:
    """The norms that are compared with one another: at each value, or all where the key is an option of the norm."""
    if key is None or key.startswith("norm."):
        return [list(rows)]
    return [[row for row in rows if row.by == value] for value in ascending({row.by for row in rows})]


def _ranks(groups: Sequence[Sequence[NormRow]], pairs: Sequence[Pair]) -> dict[tuple[str, By], Rank]:
    """The ranks within each group of rivals that have finished runs."""
    found: dict[tuple[str, By], Rank] = {}
    for group in groups:
        places = {row.label: row.by for row in group if row.n}
        among = [pair for pair in pairs if pair.by in places.values() and {pair.a, pair.b} <= places.keys()]
        found |= {(label, places[label]): rank for label, rank in ranks(places, among).items()}
    return found


def _newest(runs: Sequence[Run], key: str | None) -> tuple[list[Run], list[str]]:
    """One run per norm and seed (and value of `key`), and a note on each that stands for several."""
    same: dict[tuple[str, int, By], list[Run]] = {}
    for run in runs:
        record = run.record
        same.setdefault((same_norm(record), record.seed, value_of(record, key)), []).append(run)
    newest = [max(group, key=lambda run: when(run.record)) for group in same.values()]
    notes = [
        _duplicates_note(group, kept.record)
        for group, kept in zip(same.values(), newest, strict=True)
        if len(group) > 1
    ]
    return newest, notes


def _duplicates_note(group: Sequence[Run], newest: Record) -> str:
    places = ", ".join(printable(run.folder.path) for run in group)
    differing = [key for key, found in environment([run.record for run in group]).items() if len(found) > 1]
    unlike = f"; they differ in {', '.join(differing)}" if differing else ""
    return (
        f"duplicates: {newest.label} seed {newest.seed} was run {len(group)} times ({places}){unlike}; "
        f"only the newest counts, finished {newest.finished_at}"
    )


def _diverged_note(record: Record) -> str:
    where = record.diverged
    details = f" in epoch {where.epoch}, loss {where.loss}" if where else ""
    return f"diverged: {record.label} seed {record.seed}{details}; counted, not averaged"


def _network(record: Record) -> tuple[int, frozenset[tuple[str, int]]]:
    """Equal for two records of networks with the same parameters and norm layers."""
    return record.model.num_parameters, frozenset(record.model.norm_layers.items())


def _mixed_model(row: NormRow) -> str:
    models = (run.record.model for run in row.runs)
    found = {f"{it.num_parameters:,} parameters, {layers_text(it.norm_layers) or 'no norm layers'}" for it in models}
    return f"{row.label}: its runs trained different networks ({'; '.join(sorted(found))}); was the code changed?"


def layers_text(norm_layers: Mapping[str, int]) -> str:
    """`8 BatchNorm2d`; empty without a norm layer."""
    return ", ".join(f"{count} {name}" for name, count in norm_layers.items())

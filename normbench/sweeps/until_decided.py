"""`--until-decided`: seeds in rounds, by a plan that is fixed before the first run, until every pair is decided."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from normbench.analysis.stats.pairs import ALPHA
from normbench.analysis.stats.sequential import Pair, PairDecision, decide, planned_looks
from normbench.config import Config, Experiment
from normbench.errors import ConfigError
from normbench.files import write_json_atomically
from normbench.locks import locked
from normbench.norms import norm_label
from normbench.runs.folder import decisions_file
from normbench.runs.read import finished_record, read_decisions
from normbench.runs.record import Record
from normbench.runs.run_id import folder_of
from normbench.runs.sweep_records import DecidedPair, Decisions, LookedAt
from normbench.text import shortened


@dataclass(frozen=True)
class Design:
    """The design of the rounds, fixed before the first run.

    `seeds` are those of the last look; look k takes the first `looks[k]` of them. `delta` is in points of accuracy.
    """

    norms: dict[str, Config]
    pairs: tuple[Pair, ...]
    seeds: tuple[int, ...]
    looks: tuple[int, ...]
    delta: float

    @property
    def experiment(self) -> str:
        return next(iter(self.norms.values())).name

    def runs_so_far(self, results: Path) -> list[Config]:
        """The finished runs."""
        runs = [config.for_seed(seed) for seed in self.seeds for config in self.norms.values()]
        return [run for run in runs if folder_of(run, results).is_finished]


def make_design(experiment: Experiment, runs: Sequence[Config], delta: float, max_seeds: int, results: Path) -> Design:
    """The design for an experiment whose only axis is the norm; `runs` are its runs, as tuned if they were.

    The experiment's own seeds come first, further ones follow upwards. Raises ConfigError for another axis, one norm,
    an experiment that was begun with another design, or one whose runs may have been compared before.
    """
    if others := [axis for axis in experiment.axes if axis.partition(".")[0] != "norm"]:
        raise ConfigError(f"--until-decided compares norms under one recipe: take {', '.join(others)} out of sweep")
    norms = {_label(config): config for config in runs}
    if len(norms) < 2:
        raise ConfigError("--until-decided needs two norms to compare: name them under sweep, e.g. norm: [bn, gn]")
    own = tuple(dict.fromkeys(config.seed for config in runs))
    further = (seed for seed in itertools.count(max(own) + 1))
    seeds = tuple(itertools.islice(itertools.chain(own, further), max_seeds))
    pairs = tuple((later, earlier) for earlier, later in itertools.combinations(norms, 2))
    design = Design(norms, pairs, seeds, planned_looks(max_seeds), delta)
    before = read_decisions(results / experiment.name)
    if before is None:
        _check_fresh(design, results)
    elif before.look < 0 and not design.runs_so_far(results):
        return design  # nothing was seen yet
    else:
        _check_unchanged(design, before, results / experiment.name)
    return design


def keep_design(design: Design, results: Path) -> None:
    """Writes the plan down before the first run, as older runs may have been looked at; not over the plan of a look."""
    experiment = results / design.experiment
    before = read_decisions(experiment)
    if before is None or before.look < 0:
        _write(experiment, Decisions(**_fixed(design), look=-1, pairs=(), experiment=design.experiment, runs=()))


def _check_fresh(design: Design, results: Path) -> None:
    """Raises ConfigError where the norms may have been compared before the plan was made: two runs give a verdict."""
    finished = Counter(_label(run) for run in design.runs_so_far(results))
    if sum(count > 1 for count in finished.values()) > 1:
        raise ConfigError(
            f"--until-decided: {sum(finished.values())} runs of {design.experiment} are finished, and may have been "
            "compared already; to judge them again finds differences that are not there. Give a new name and new "
            f"seeds (the same seeds give the same runs): --set name=NEW --set 'seeds=[{max(design.seeds) + 1}]'"
        )


def _check_unchanged(design: Design, before: Decisions, folder: Path) -> None:
    for key, wanted in _fixed(design).items():
        if (begun := getattr(before, key)) != wanted:
            begun, wanted = (list(it) if isinstance(it, tuple) else it for it in (begun, wanted))
            raise ConfigError(
                f"{decisions_file(folder)}: this experiment was begun with {key} {shortened(str(begun))}, now it "
                f"would be {wanted}; a plan that changes after a look at the runs finds differences that are not "
                "there: keep it, or give another name and new seeds"
            )


def _fixed(design: Design) -> dict[str, Any]:
    return {
        "norms": tuple(design.norms),
        "seeds": design.seeds,
        "looks": design.looks,
        "delta": design.delta,
        "alpha": ALPHA,
    }


def runs_at(design: Design, look: int, decisions: Sequence[PairDecision]) -> list[Config]:
    """The runs that a look takes: of the norms that the look before left undecided, seed by seed."""
    wanted = {name for pair in decisions if pair.goes_on for name in (pair.a, pair.b)} if look else set(design.norms)
    seeds = design.seeds[: design.looks[look]]
    return [config.for_seed(seed) for seed in seeds for name, config in design.norms.items() if name in wanted]


def judge(design: Design, look: int, results: Path) -> tuple[PairDecision, ...]:
    """The state of each pair after the runs of a look, which is also written to `decisions.json`, with the runs."""
    records = {
        name: _finished(config, design.seeds[: design.looks[look]], results) for name, config in design.norms.items()
    }
    values = {name: [_accuracy(record) for record in of_norm] for name, of_norm in records.items()}
    points = {name: [None if value is None else 100 * value for value in of_norm] for name, of_norm in values.items()}
    decisions = decide(points, design.pairs, design.looks, look, design.delta, ALPHA)
    runs = [
        LookedAt(
            run_id=record.run_id,
            norm=name,
            seed=record.seed,
            accuracy=_accuracy(record),
            config_digest=record.config_digest,
            look=next(look for look, seeds in enumerate(design.looks) if index < seeds),
        )
        for name, of_norm in records.items()
        for index, record in enumerate(of_norm)
    ]
    data = next(record.data for of_norm in records.values() for record in of_norm)
    written = Decisions(
        **_fixed(design),
        look=look,
        pairs=tuple(DecidedPair(**asdict(pair)) for pair in decisions),
        experiment=design.experiment,
        fingerprint=data.fingerprint,
        evaluated_on=data.evaluated_on,
        runs=tuple(runs),
    )
    _write(results / design.experiment, written)
    return decisions


def _write(experiment: Path, decisions: Decisions) -> None:
    with locked(experiment):
        write_json_atomically(decisions_file(experiment), decisions.to_dict())


def _finished(config: Config, seeds: Sequence[int], results: Path) -> list[Record]:
    """The records in the order of the seeds, up to the first run that is not finished."""
    records: list[Record] = []
    for seed in seeds:
        folder = folder_of(config.for_seed(seed), results)
        if not folder.is_finished:
            break
        records.append(finished_record(folder))
    return records


def _accuracy(record: Record) -> float | None:
    """A fraction; None for a run that diverged."""
    return None if record.metrics is None else record.metrics.held_out.accuracy


def _label(config: Config) -> str:
    return norm_label(config.norm.name, config.norm.options)

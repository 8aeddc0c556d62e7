"""`--until-decided`: seeds in rounds, by a plan that is fixed before the first run, until every pair is decided."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from normbench.analysis.stats.sequential import Pair, PairDecision, decide, planned_looks
from normbench.config import Config, Experiment
from normbench.errors import ConfigError
from normbench.files import locked, write_json_atomically
from normbench.norms import norm_label
from normbench.runs.folder import decisions_file
from normbench.runs.read import finished_record, read_decisions
from normbench.runs.run_id import folder_of
from normbench.runs.sweep_records import DecidedPair, Decisions
from normbench.text import shortened

ALPHA = 0.05


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

    def runs_so_far(self, results: Path) -> list[Config]:
        """The finished runs."""
        runs = [config.for_seed(seed) for seed in self.seeds for config in self.norms.values()]
        return [run for run in runs if folder_of(run, results).is_finished]


def make_design(experiment: Experiment, runs: Sequence[Config], delta: float, max_seeds: int, results: Path) -> Design:
    """The design for an experiment whose only axis is the norm; `runs` are its runs, as tuned if they were.

    The experiment's own seeds come first, further ones follow upwards. Raises ConfigError for another axis, one norm,
    or an experiment that was begun with another design.
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
    _check_unchanged(design, results / experiment.name)
    return design


def _check_unchanged(design: Design, folder: Path) -> None:
    before = read_decisions(folder)
    if before is None:
        return
    for key, wanted in _fixed(design).items():
        if (begun := getattr(before, key)) != wanted:
            begun, wanted = (list(it) if isinstance(it, tuple) else it for it in (begun, wanted))
            raise ConfigError(
                f"{decisions_file(folder)}: this experiment was begun with {key} {shortened(str(begun))}, now it "
                f"would be {wanted}; a plan that changes after a look at the runs finds differences that are not "
                "there: keep it, or give the experiment another name"
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
    """The state of each pair after the runs of a look, which is also written to `decisions.json`."""
    seeds = design.seeds[: design.looks[look]]
    values = {name: _values(config, seeds, results) for name, config in design.norms.items()}
    decisions = decide(values, design.pairs, design.looks, look, design.delta, ALPHA)
    pairs = tuple(DecidedPair(**asdict(pair)) for pair in decisions)
    written = Decisions(**_fixed(design), look=look, pairs=pairs)
    experiment = results / next(iter(design.norms.values())).name
    with locked(experiment):
        write_json_atomically(decisions_file(experiment), written.to_dict())
    return decisions


def _values(config: Config, seeds: Sequence[int], results: Path) -> list[float | None]:
    """Accuracies in %, in the order of the seeds, up to the first run that is not finished; None for a diverged run."""
    values: list[float | None] = []
    for seed in seeds:
        folder = folder_of(config.for_seed(seed), results)
        if not folder.is_finished:
            break
        metrics = finished_record(folder).metrics
        values.append(None if metrics is None else 100 * metrics.held_out.accuracy)
    return values


def _label(config: Config) -> str:
    return norm_label(config.norm.name, config.norm.options)

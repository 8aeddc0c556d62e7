"""What a person may ask of a sweep besides its runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rounds:
    """Seeds are added in rounds, up to `max_seeds`, until every pair of norms is decided to within `delta` points."""

    max_seeds: int
    delta: float


@dataclass(frozen=True)
class Options:
    """How a sweep trains its runs; `jobs` None takes what the machine carries, or the cluster.

    `ray` is the address of a Ray cluster whose nodes train the runs, `auto` for the one that this machine belongs to;
    None trains them on this machine.

    `together`: how runs that differ in their seed only train, see `make_plan`. `rounds` None trains each run of the
    experiment. A `dry_run` plans, and trains nothing. With `restart` finished runs are trained again, and unfinished
    ones begin anew.
    """

    results: Path
    jobs: int | None = None
    together: str = "auto"
    fail_fast: bool = False
    dry_run: bool = False
    rounds: Rounds | None = None
    restart: bool = False
    ray: str | None = None

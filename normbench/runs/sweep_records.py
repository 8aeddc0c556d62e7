"""What a sweep remembers beside its runs.

`sweep.json`: what was swept; `tuning.json`: what was chosen for each norm; `decisions.json`: the looks until decided.
"""

from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from normbench.runs.record import Split
from normbench.runs.schema import Document, Fraction, Lists, Number, Part, Parts, Texts, Wholes, flaw


class SweepPlan(Part):
    """The runs of one sweep, and the keys in which they differ besides their seeds."""

    axes: Lists
    """The values of each swept key, by dotted key, in the order of the config; `norm` among them if it was swept."""
    runs: Texts
    """Run ids: the names of the folders beside this file, whether trained yet or not."""


class Sweep(Document):
    """The sweeps whose runs are in one experiment's folder.

    Sweeps over the same keys that share a run are one plan, with the values and the runs of all of them.
    """

    plans: Parts[SweepPlan]
    """The sweep that was started last comes last."""

    way_back: ClassVar[str] = "give the same sweep again"


MOST_LOOKS = 20
"""Of a plan; a sweep plans five. What each look may spend takes longer to compute the more there are."""


class Chosen(Part):
    """The best trial of one norm in one cell of the sweep."""

    norm: Any = None
    """`kind` and the options, as in the config."""
    label: str
    """The norm as tables show it."""
    cell: dict[str, Any] = Field(default_factory=dict)
    """The values of the sweep's axes besides the norm, by dotted key: each combination is tuned on its own."""
    values: dict[str, Any]
    """The chosen value of each tuned key."""
    val_accuracy: Fraction | None = None
    """Mean over the trials' seeds, on held-out training images."""
    on_edge: Texts = ()
    """Tuned keys whose chosen value is the smallest or greatest of its grid."""


class Tuning(Document):
    """What a fair tuning found: every norm has the same trials."""

    budget: int
    """Trials of each norm."""
    seeds: Wholes
    """Of the trials."""
    grid: Lists
    """The values that were tried, by dotted key."""
    chosen: Parts[Chosen]

    way_back: ClassVar[str] = "tune again"


class DecidedPair(Part):
    """A pair of norms after the last look; `stats.sequential.PairDecision` describes the fields."""

    a: str
    b: str
    kind: Literal["real", "equivalent", "undecided", "undefined"]
    difference: Number | None = None
    low: Number | None = None
    high: Number | None = None
    confidence: Number | None = None
    nominal_alpha: Number | None = None
    text: str
    look: int | None = None
    n_a: int | None = None
    n_b: int | None = None
    smaller: bool | None = None
    goes_on: bool | None = None


class LookedAt(Part):
    """A run that a look took, and what it said then."""

    run_id: str
    norm: str
    """Its label."""
    seed: int
    accuracy: Fraction | None
    """On the held-out images; None for a run that diverged."""
    config_digest: str
    """`Record.config_digest`."""
    look: int
    """The index of the first look that took it."""


class Decisions(Document):
    """The plan of a sweep until decided, the runs that each look took, and the state of each pair after the last one.

    The plan is written before the first run. The verdicts belong to these runs and to this plan: whoever shows them
    checks that, and computes them again.
    """

    norms: Texts
    """Labels."""
    seeds: Wholes
    """Of the last look; each look takes the first ones."""
    looks: Wholes
    """Runs of each norm at each look."""
    delta: Number
    """The difference that matters, in points of accuracy."""
    alpha: Number
    """The chance of a false alarm, over all looks and pairs."""
    look: int
    """The index of the last look taken; -1 before the first."""
    pairs: Parts[DecidedPair]
    experiment: str | None = None
    """None in a file of a version that did not write down the runs."""
    fingerprint: str | None = None
    """Of the data of the runs; None before the first look."""
    evaluated_on: Split | None = None
    runs: Parts[LookedAt] = ()

    way_back: ClassVar[str] = "give the experiment another name and new seeds"

    @model_validator(mode="after")
    def _check_plan(self) -> "Decisions":
        looks, seeds = self.looks, self.seeds
        if len(set(self.norms)) < max(2, len(self.norms)):
            raise flaw(f"norms: two different ones or more are compared, found {', '.join(self.norms) or 'none'}")
        if len(set(seeds)) < len(seeds):
            raise flaw("seeds: one is there twice")
        if not looks or looks[0] < 2 or any(b <= a for a, b in pairwise(looks)) or looks[-1] != len(seeds):
            raise flaw(f"looks: expected growing numbers from 2 to the {len(seeds)} seeds, found {list(looks)}")
        if len(looks) > MOST_LOOKS:
            raise flaw(f"looks: expected at most {MOST_LOOKS}, found {len(looks)}")
        if not 0 < self.delta <= 100:
            raise flaw(f"delta: {self.delta} is not a number of points above 0")
        if not 0 < self.alpha < 0.5:
            raise flaw(f"alpha: {self.alpha} is not between 0 and 0.5")
        if not -1 <= self.look < len(looks):
            raise flaw(f"look: {self.look} is none of the {len(looks)} planned looks, counted from 0")
        return self

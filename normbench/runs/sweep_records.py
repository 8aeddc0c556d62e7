"""What a sweep remembers beside its runs.

`sweep.json`: what was swept; `tuning.json`: what was chosen for each norm; `decisions.json`: the looks until decided.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field

from normbench.runs.schema import Document, Fraction, Lists, Number, Part, Parts, Texts, Wholes


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
    nominal_alpha: Number | None = None
    text: str
    look: int | None = None
    n_a: int | None = None
    n_b: int | None = None
    smaller: bool | None = None
    goes_on: bool | None = None


class Decisions(Document):
    """The plan of a sweep until decided, and the state of each pair after the last look."""

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
    """The index of the last look taken."""
    pairs: Parts[DecidedPair]

    way_back: ClassVar[str] = "give the experiment another name"

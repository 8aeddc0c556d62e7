"""Planned looks at values that grow: the plan and what was seen are kept in one file between the looks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from normbench.analysis.stats.pairs import ALPHA, with_decision
from normbench.analysis.stats.sequential import PairDecision, decide, planned_looks
from normbench.analysis.values.judge import Judged
from normbench.analysis.values.read import Arm
from normbench.errors import ConfigError
from normbench.files import write_json_atomically
from normbench.runs.read import read_document
from normbench.runs.schema import Document, Lists, Number, Texts, Wholes, flaw
from normbench.text import plural, printable


class Looks(Document):
    """The plan, fixed before the first look, and the values that the last look took."""

    arms: Texts
    baseline: str
    metric: str
    looks: Wholes
    """Seeds of each arm at each look."""
    delta: Number
    alpha: Number
    look: int = -1
    """The index of the last look taken; -1 before the first."""
    seen: Lists = Field(default_factory=dict)
    """By arm, the values that were looked at, in the order of the seeds; null for a run without one."""

    way_back: ClassVar[str] = "give another file and new seeds"

    @model_validator(mode="after")
    def _check_plan(self) -> "Looks":
        if len(set(self.arms)) < max(2, len(self.arms)) or self.baseline not in self.arms:
            raise flaw("arms: two different ones or more are compared, the baseline among them")
        if not self.looks or self.looks[0] < 2 or any(b <= a for a, b in zip(self.looks, self.looks[1:], strict=False)):
            raise flaw(f"looks: expected growing numbers from 2 on, found {list(self.looks)}")
        if not self.delta > 0 or not 0 < self.alpha < 0.5:
            raise flaw("delta must be above 0, and alpha between 0 and 0.5")
        if not -1 <= self.look < len(self.looks):
            raise flaw(f"look: {self.look} is none of the {len(self.looks)} planned looks, counted from 0")
        return self


@dataclass(frozen=True)
class Looked:
    """The pairs as the last look left them, and what is to be done now, in a sentence."""

    judged: Judged
    plan: Looks
    next_step: str


def look(judged: Judged, state: Path, max_seeds: int) -> Looked:
    """Takes the next planned look, if there are values enough for it, and writes it down in `state`.

    Earlier looks are computed again from the values, which must not have changed since. Raises ConfigError for a table
    without seeds or with a further key, another question than the plan's, and values that have changed; RecordError for
    a damaged file.
    """
    values = judged.values
    if values.by is not None or not values.has_seeds:
        raise ConfigError("--sequential takes a table with a column of seeds, and no --by")
    plan = read_document(state, Looks) or _new_plan(judged, max_seeds)
    _check_same_question(plan, judged, state, max_seeds)
    by_arm = {arm.name: _in_order(arm) for arm in values.arms}
    _check_same_values(plan, by_arm, state)
    pairs = [(pair.a, pair.b) for pair in judged.pairs]
    waiting = _open(plan, _decide(plan, by_arm, pairs))
    following = plan.look + 1
    if waiting and all(len(by_arm[name]) >= plan.looks[following] for name in waiting):
        seen = {name: tuple(by_arm[name][: plan.looks[following]]) for name in plan.arms}
        plan = plan.model_copy(update={"look": following, "seen": seen})
        write_json_atomically(state, plan.to_dict())
    decisions = _decide(plan, by_arm, pairs)
    return Looked(_with(judged, decisions, plan), plan, _next_step(plan, decisions, by_arm))


def _next_step(plan: Looks, decisions: tuple[PairDecision, ...], by_arm: Mapping[str, list[float | None]]) -> str:
    waiting = _open(plan, decisions)
    if waiting:
        wanted = plan.looks[plan.look + 1]
        found = ", ".join(f"{name} has {len(by_arm[name])}" for name in plan.arms if name in waiting)
        now = ": the same command takes it" if all(len(by_arm[name]) >= wanted for name in waiting) else ""
        return printable(f"Look {plan.look + 2} takes {wanted} seeds of each arm that is not decided; {found}{now}.")
    is_decided = all(each.kind in ("real", "equivalent") for each in decisions)
    return "Every pair is decided." if is_decided else "All looks are taken, and not every pair is decided."


def _in_order(arm: Arm) -> list[float | None]:
    """The arm's values in the order in which the table has the seeds, up to the first seed without a row of it."""
    return [arm.values[seed] for seed in takewhile(arm.values.__contains__, count())]


def _new_plan(judged: Judged, max_seeds: int) -> Looks:
    return Looks(
        arms=tuple(arm.name for arm in judged.values.arms),
        baseline=judged.baseline,
        metric=judged.values.metric,
        looks=planned_looks(max_seeds),
        delta=judged.delta,
        alpha=ALPHA,
    )


def _check_same_question(plan: Looks, judged: Judged, state: Path, max_seeds: int) -> None:
    now = _new_plan(judged, max_seeds)
    for key in ("arms", "baseline", "metric", "looks", "delta", "alpha"):
        begun, wanted = getattr(plan, key), getattr(now, key)
        if sorted(begun) != sorted(wanted) if key == "arms" else begun != wanted:
            begun, wanted = (", ".join(map(str, it)) if isinstance(it, tuple) else it for it in (begun, wanted))
            raise ConfigError(
                f"{printable(state)}: the looks were planned with {key} {begun}, now it would be {wanted}; a plan that "
                "changes after a look finds differences that are not there: keep it, or give another file and new seeds"
            )


def _check_same_values(plan: Looks, by_arm: Mapping[str, list[float | None]], state: Path) -> None:
    for name, seen in plan.seen.items():
        if tuple(by_arm.get(name, [])[: len(seen)]) != tuple(seen):
            raise ConfigError(
                f"{printable(state)}: values of {printable(name)} that were looked at have changed, or their order; "
                "new rows come at the end"
            )


def _decide(
    plan: Looks, by_arm: Mapping[str, list[float | None]], pairs: list[tuple[str, str]]
) -> tuple[PairDecision, ...]:
    """The state of each pair after the plan's last look; () before the first."""
    if plan.look < 0:
        return ()
    return decide(by_arm, pairs, plan.looks, plan.look, plan.delta, plan.alpha, unit="")


def _open(plan: Looks, decisions: tuple[PairDecision, ...]) -> set[str]:
    """The arms that need more seeds: all before the first look."""
    if plan.look < 0:
        return set(plan.arms)
    return {name for each in decisions if each.goes_on for name in (each.a, each.b)}


def _with(judged: Judged, decisions: tuple[PairDecision, ...], plan: Looks) -> Judged:
    """The values that were looked at, and the pairs with the verdicts of the looks; none before the first look."""
    last = plan.looks[plan.look] if plan.look >= 0 else 0
    arms = [
        replace(arm, values={seed: value for seed, value in arm.values.items() if seed < last})
        for arm in judged.values.arms
    ]
    pairs = [
        with_decision(pair, decision, len(decisions), plan.delta)
        for pair, decision in zip(judged.pairs if decisions else (), decisions, strict=True)
    ]
    return replace(judged, values=replace(judged.values, arms=tuple(arms)), pairs=tuple(pairs))


def planned(plan: Looks) -> str:
    """The looks in words."""
    return f"{plural(plan.look + 1, 'look')} of those planned at {', '.join(map(str, plan.looks))} seeds"

"""What a comparison answers: one sentence for each pair of norms, and how to read it."""

from collections.abc import Sequence

from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.until_decided import decided_notes
from normbench.analysis.compare.words import in_words, name_in_words
from normbench.analysis.stats.pairs import Pair
from normbench.present.tables.along import axis_value
from normbench.present.tables.pair_sentence import pair_sentence
from normbench.present.tables.pairs import pair_name, place_key, welch_notes
from normbench.present.tables.ranks import told_pairs, untold_note
from normbench.present.tables.table import Answer, Kind

USUAL_TEST_SIZE = 10_000
"""Images of CIFAR-10's test set."""


def answers(comparison: Comparison) -> tuple[Answer, ...]:
    """One for each pair that has a verdict, then one for each reason why others have none; see `told_pairs`."""
    pairs = told_of(comparison)
    told = [pair for pair in pairs if pair.verdict.kind != "undefined"]
    untold: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.verdict.kind == "undefined":
            untold.setdefault(f"{pair.verdict.why}", []).append(pair)
    reasons = dict.fromkeys(_why_none(pairs, why, comparison) for why, pairs in untold.items())
    return (
        *(_answer(pair, comparison) for pair in told),
        *(Answer("no verdict", reason) for reason in reasons),
    )


def told_of(comparison: Comparison) -> list[Pair]:
    """The pairs that `answers` is about."""
    return told_pairs(comparison.pairs, comparison.baseline, is_ranked=bool(comparison.ranks))


def answer_notes(comparison: Comparison) -> list[str]:
    """By which rule the words are chosen, where they may mislead, and how to go on where a pair is undecided."""
    pairs, at = comparison.pairs, place_key(comparison)
    kinds = {pair.verdict.kind for pair in pairs}
    if kinds <= {"undefined"}:
        return _without_baseline(comparison)
    notes = untold_note(len(pairs) - len(told_of(comparison)), "compare")
    notes += decided_notes(comparison.decisions) if comparison.decisions else [_rule(comparison)]
    notes += welch_notes({pair_name(pair, at): pair for pair in pairs})
    if "undecided" in kinds and not comparison.decisions:
        notes.append(
            "Undecided: adding seeds here and looking again finds differences that are not there. Begin anew: "
            f"sweep --until-decided --set name=NEW --set 'seeds=[{_next_seed(comparison)}]'."
        )
    if diverged := dict.fromkeys(row.label for row in comparison.rows if row.diverged_seeds and row.n):
        notes.append(f"Differences are between runs that did not diverge; some of {', '.join(diverged)} did.")
    return notes + _without_baseline(comparison)


def _rule(comparison: Comparison) -> str:
    tested = [pair for pair in comparison.pairs if pair.p_adjusted is not None]
    tests = " or ".join(dict.fromkeys(pair.difference.test for pair in tested))
    adjusted = f", adjusted for {len(tested)} pairs (Holm)" if len(tested) > 1 else ""
    return (
        f"p: {tests} test over seeds{adjusted}. real: p at most 0.05; equivalent: less than {comparison.delta:g} "
        "points apart (--delta)."
    )


def _without_baseline(comparison: Comparison) -> list[str]:
    grid, baseline = comparison.grid, comparison.baseline
    if grid is None or place_key(comparison) is None:
        return []
    missing = [axis_value(value, grid.key) for value in grid.values if (baseline, value) not in grid.cells]
    return [f"No {baseline} to compare with at {name_in_words(grid.key)} {', '.join(missing)}."] if missing else []


def _answer(pair: Pair, comparison: Comparison) -> Answer:
    key = place_key(comparison)
    at = f"{in_words(key, [axis_value(pair.by, key)])}: " if key else ""
    same_n = len({row.n for row in comparison.rows}) == 1  # then the title says it
    word: Kind = "no verdict" if pair.verdict.kind == "undefined" else pair.verdict.kind
    return Answer(word, f"{at}{pair_sentence(pair, with_n=not same_n)}")


def _why_none(pairs: Sequence[Pair], why: str, comparison: Comparison) -> str:
    """Of single runs how far they differ by chance, of others the reason, for one pair or several."""
    if all(row.n <= 1 for row in comparison.rows) and any(row.n for row in comparison.rows):
        chance = "about 0.7 points apart by chance"
        if comparison.num_eval < USUAL_TEST_SIZE:
            chance = f"several points apart by chance, on {comparison.num_eval:,} images"
        return f"n = 1: two runs of one norm are {chance}; train more seeds"
    first = pairs[0]
    return f"{first.a} and {first.b}: {why}" if len(pairs) == 1 else f"{len(pairs)} pairs: {why}"


def _next_seed(comparison: Comparison) -> int:
    return max(run.record.seed for row in comparison.rows for run in row.runs) + 1

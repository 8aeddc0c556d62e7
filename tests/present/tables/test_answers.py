"""The sentence on each pair: its word, the better norm, the interval that decided, and what to do next."""

import pytest

from normbench.analysis.compare.compare import Options
from normbench.present.tables.answers import answer_notes, answers
from tests.records import compare_records, make_diverged, make_record
from tests.tables import compared


def test_real_equivalent_and_undecided_have_a_word_and_their_numbers() -> None:
    real, equivalent, undecided = answers(
        compared(Options(baseline="bn"), spread=4, bn=0.82, gn=0.80, ln=0.8201, **{"in": 0.815})
    )
    assert real.word == "real"
    assert real.sentence.startswith("BN is 2.00 points above GN(4), ")
    assert "p < 0.001" in real.sentence
    assert equivalent.word == "equivalent"
    assert equivalent.sentence.startswith("LN is 0.01 points above BN, ")
    assert equivalent.sentence.endswith("inside ±0.5")
    assert undecided.word == "undecided"
    assert undecided.sentence.startswith("BN is 0.50 points above IN, ")
    assert "seeds" in undecided.sentence


def test_of_three_norms_all_pairs_are_answered_and_of_more_those_with_the_baseline() -> None:
    assert len(answers(compared(bn=0.82, gn=0.81, ln=0.80))) == 3
    assert len(answers(compared(Options(baseline="gn"), bn=0.82, gn=0.81, ln=0.80))) == 2
    assert len(answers(compared(bn=0.82, gn=0.81, ln=0.80, none=0.7))) == 3


def test_of_a_ranking_only_the_pairs_of_the_baseline_are_told_once_there_are_many() -> None:
    means = {kind: 0.8 - 0.01 * place for place, kind in enumerate(("bn", "gn", "ln", "rms", "frn", "in", "dyt"))}
    found = compared(Options(all_pairs=True), spread=2, **means)
    told = answers(found)
    assert len(found.pairs) == 21
    assert len(told) == 6
    assert all("BN is" in answer.sentence for answer in told)
    assert "15 more pairs are in the table of pairs (compare --full)." in answer_notes(found)
    fewer = compared(Options(all_pairs=True), spread=2, **dict(list(means.items())[:6]))
    assert len(answers(fewer)) == len(fewer.pairs) == 15
    assert not [note for note in answer_notes(fewer) if "more pairs" in note]


def test_an_end_of_an_interval_is_not_printed_as_a_value_that_it_is_not() -> None:
    (answer,) = answers(compared(Options(delta=0.0101), bn=0.8, gn=0.8))
    assert "[-0.00," not in answer.sentence
    assert "0.01]" not in answer.sentence


def test_counts_of_seeds_have_a_bound() -> None:
    (answer,) = answers(compared(Options(delta=0.01), spread=20, bn=0.80, **{"in": 0.801}))
    assert answer.word == "undecided"
    assert "not decidable with these data" in answer.sentence


def test_two_runs_are_too_few_and_single_runs_have_no_verdict() -> None:
    (two,) = answers(compared(seeds=2, spread=3, bn=0.80, **{"in": 0.799}))
    assert two.word == "undecided"
    assert "n = 2 is too few" in two.sentence
    (single,) = answers(compared(seeds=1, bn=0.80, gn=0.79, ln=0.78))
    assert single.word == "no verdict"
    assert "about 0.7 points" in single.sentence
    few = [make_record(kind, 0, 0.8, data__num_eval=100) for kind in ("bn", "gn")]
    assert "on 100 images" in answers(compare_records(few)[0])[0].sentence


def test_n_stands_in_the_sentence_where_the_title_cannot_say_it() -> None:
    records = [make_record(kind, seed, 0.8 + seed / 1000) for kind, n in (("bn", 3), ("gn", 4)) for seed in range(n)]
    (answer,) = answers(compare_records([*records, make_diverged("gn", 4)])[0])
    assert answer.sentence.partition("; ")[0].endswith("n = 4 and 3")


@pytest.mark.parametrize(("mean", "word"), [(0.80, "undecided"), (0.7, "real")])
def test_the_notes_say_by_which_rule_and_how_to_go_on(mean: float, word: str) -> None:
    comparison = compared(spread=20, bn=0.805, **{"in": mean})
    assert answers(comparison)[0].word == word
    notes = answer_notes(comparison)
    assert "paired t test" in notes[0]
    assert "adjusted" not in notes[0]  # for one pair there is nothing to adjust
    assert any("seeds=[5]" in note for note in notes) == (word == "undecided")

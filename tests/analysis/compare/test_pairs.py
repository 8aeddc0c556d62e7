"""Pairs of norms: who is compared with whom, what is paired, and what the verdict rests on."""

import pytest
from scipy import stats

from normbench.analysis.compare.compare import Options
from normbench.errors import ConfigError
from normbench.present.tables.answers import answer_notes
from normbench.present.tables.pairs import pairs_table
from tests.records import compare_records, make_diverged, make_record

BN = (0.82, 0.83, 0.825)
GN = (0.80, 0.804, 0.81)
LN = (0.79, 0.82, 0.81)


def three_norms() -> list[dict]:
    scores = {"bn": BN, "gn": GN, "ln": LN}
    return [make_record(kind, seed, of_norm[seed]) for kind, of_norm in scores.items() for seed in range(3)]


def test_the_numbers_are_scipys_in_points() -> None:
    gn, ln = compare_records(three_norms(), Options(baseline="bn"))[0].pairs
    expected, unpaired = stats.ttest_rel(GN, BN), stats.ttest_ind(GN, BN, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert (gn.a, gn.b) == ("GN(4)", "BN")
    assert gn.difference.difference == pytest.approx(100 * (sum(GN) - sum(BN)) / 3)
    assert gn.difference.p_value == pytest.approx(expected.pvalue)
    assert (gn.difference.low, gn.difference.high) == pytest.approx((100 * interval.low, 100 * interval.high))
    assert gn.difference.test == "paired t"
    assert gn.welch.p_value == pytest.approx(unpaired.pvalue)
    assert gn.seed_correlation == pytest.approx(stats.pearsonr(GN, BN).statistic)
    assert gn.sign_flip.p_value == pytest.approx(2 / 2**3)  # each seed is lower: one of the two extreme patterns
    raw = sorted([gn.difference.p_value, ln.difference.p_value])
    assert min(gn.p_adjusted, ln.p_adjusted) == pytest.approx(2 * raw[0])  # Holm: the smaller of two is doubled


def test_all_pairs_are_adjusted_together() -> None:
    comparison, _ = compare_records(three_norms(), Options(all_pairs=True))
    assert [(pair.a, pair.b) for pair in comparison.pairs] == [("GN(4)", "BN"), ("LN", "BN"), ("LN", "GN(4)")]
    smallest = min(comparison.pairs, key=lambda pair: pair.difference.p_value)
    assert smallest.p_adjusted == pytest.approx(3 * smallest.difference.p_value)


@pytest.mark.parametrize(
    ("asked", "label"), [(None, "BN"), ("gn", "GN(4)"), ("gn(4)", "GN(4)"), ("LN", "LN"), ("GroupNorm", "GN(4)")]
)
def test_the_baseline_is_bn_or_what_was_asked(asked: str | None, label: str) -> None:
    comparison, _ = compare_records(three_norms(), Options(baseline=asked))
    assert comparison.baseline == label
    if asked is not None:
        assert [pair.b for pair in comparison.pairs] == [label, label]


def test_without_bn_the_first_row_is_the_baseline() -> None:
    comparison, _ = compare_records([make_record("ln"), make_record("in")])
    assert comparison.baseline == "LN"


def test_a_baseline_that_is_not_there_or_not_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--baseline gm: unknown norm 'gm': did you mean 'gn'"):
        compare_records(three_norms(), Options(baseline="gm"))
    groups = [
        make_record("gn", 0, label=f"GN({number})", config__norm={"kind": "gn", "num_groups": number})
        for number in (4, 8)
    ]
    with pytest.raises(ConfigError, match=r"several norms are meant; give one of GN\(4\), GN\(8\)"):
        compare_records(groups, Options(baseline="gn"))


def test_a_real_a_small_and_an_open_difference_are_told_apart() -> None:
    wobble = (-0.001, 0.0, 0.001, 0.0005, -0.0005)
    scores = {"bn": (0.82, 1), "gn": (0.80, 2), "ln": (0.8201, 3)}
    records = [
        make_record(kind, seed, mean + wobble[seed - turn])
        for kind, (mean, turn) in scores.items()
        for seed in range(5)
    ]
    records += [make_record("in", seed, 0.815 + 20 * wobble[seed]) for seed in range(5)]
    gn, ln, instance = compare_records(records)[0].pairs
    assert (gn.verdict.kind, ln.verdict.kind, instance.verdict.kind) == ("real", "equivalent", "undecided")
    assert "GN(4) is 2.0" in gn.verdict.text
    assert instance.verdict.new_seeds is not None
    wider = compare_records(records, Options(delta=5))[0].pairs
    assert [pair.verdict.kind for pair in wider] == ["real", "equivalent", "equivalent"]


def test_the_seed_decides_where_it_moves_both_norms() -> None:
    """Each seed moves both norms by up to 3 points, GN lies 0.5 below: only a test that pairs them can see it."""
    seeds = (0.80, 0.83, 0.81, 0.82, 0.805, 0.825)
    wobble = (0.0, 0.0005, -0.0005, 0.0003, -0.0003, 0.0)
    records = [make_record("bn", seed, value) for seed, value in enumerate(seeds)]
    records += [make_record("gn", seed, value - 0.005 + wobble[seed]) for seed, value in enumerate(seeds)]
    comparison, _ = compare_records(records)
    (pair,) = comparison.pairs
    assert pair.seed_correlation > 0.99
    assert (pair.verdict.kind, pair.disagrees) == ("real", True)
    assert pair.welch.p_value > 0.05
    assert any("Welch's test says otherwise" in note for note in answer_notes(comparison))
    (record,) = pairs_table(comparison).records
    assert (record["welch_disagrees"], record["test"]) == (True, "paired t")
    apart = [record | {"seed": record["seed"] + 50} if record["label"] == "BN" else record for record in records]
    (alone,) = compare_records(apart)[0].pairs
    assert (alone.verdict.kind, alone.difference.test, alone.seed_correlation) == ("undecided", "Welch's t", None)


def test_one_run_a_norm_has_no_verdict_and_says_why() -> None:
    comparison, _ = compare_records([make_record("bn"), make_record("gn", 0, 0.7)])
    (pair,) = comparison.pairs
    assert pair.difference.difference == pytest.approx(-10)
    assert (pair.difference.low, pair.p_adjusted, pair.verdict.kind) == (None, None, "undefined")
    (row,) = pairs_table(comparison).rows
    assert row[3:] == ("-10.00", "-", "-", "-", "-", "-")


def test_seeds_that_only_one_norm_finished_are_not_paired() -> None:
    records = [record for record in three_norms() if record["label"] != "LN"]
    records[-1] = make_diverged("gn", 2)
    comparison, _ = compare_records(records)
    (pair,) = comparison.pairs
    assert (pair.num_paired, pair.difference.n_a, pair.difference.n_b) == (2, 2, 3)
    notes = " ".join(pairs_table(comparison).notes)
    assert "pairs of seeds: GN(4) - BN 2" in notes
    assert any("some of GN(4) did" in note for note in answer_notes(comparison))


def test_norms_without_a_common_seed_are_compared_unpaired() -> None:
    records = [make_record("bn", seed, BN[seed]) for seed in range(3)]
    records += [make_record("gn", seed + 3, GN[seed]) for seed in range(3)]
    comparison, _ = compare_records(records)
    (pair,) = comparison.pairs
    assert pair.difference.p_value is not None
    assert (pair.num_paired, pair.paired.p_value) == (0, None)
    assert "No paired test: no seed that both finished." in pairs_table(comparison).notes


def test_a_norm_whose_runs_all_diverged_is_no_crash() -> None:
    comparison, _ = compare_records([*three_norms()[:3], make_diverged("gn", 0), make_diverged("gn", 1)])
    (pair,) = comparison.pairs
    assert (pair.difference.difference, pair.verdict.kind) == (None, "undefined")
    assert "no finished run" in pair.verdict.text


def test_identical_runs_are_no_significant_difference() -> None:
    records = [make_record(kind, seed, 0.8) for kind in ("bn", "gn") for seed in range(3)]
    (pair,) = compare_records(records)[0].pairs
    assert (pair.difference.difference, pair.difference.p_value, pair.verdict.kind) == (0, None, "undefined")

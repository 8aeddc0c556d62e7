"""The table of norms: what its notes and headers say."""

from normbench.analysis.compare.compare import Options
from normbench.present.tables.norms import comparison_table
from tests.records import compare_records, make_diverged, make_record
from tests.tables import compared, shown, three_seeds


def test_the_table_says_what_it_shows() -> None:
    text = shown(three_seeds(), "table")
    for part in (
        "default: folder data, 50,000 train and 10,000 test images, n = 3 seeds",
        "fingerprint abababab",
        "20 epochs, batch size 64, sgd, lr 0.1",
        "bf16, a CPU, threads: 2, torch 2.15.0",
        "BN 8 BatchNorm2d, GN(4) 8 GroupNorm",
        "95% interval",
        "running means over the last epoch, in training mode with augmentation",
        "20 epochs",
        "3 +1 div.",
    ):
        assert part in text
    assert "n = 1" not in text
    assert "mixed" not in text


def test_where_images_are_mixed_it_says_what_train_accuracy_counts() -> None:
    record = make_record("bn", config__data__augment=[{"name": "flip", "p": 0.5}, {"name": "mixup", "alpha": 0.2}])
    assert "label with the larger share" in shown(comparison_table(compare_records([record])[0]), "table")


def test_one_run_has_no_interval_and_no_verdict() -> None:
    text = shown(comparison_table(compare_records([make_record("bn")])[0]), "table")
    assert "n = 1: no interval" in text
    assert "[" not in text


def test_val_is_never_called_test() -> None:
    text = shown(comparison_table(compare_records([make_record("bn", split="val")])[0]), "table")
    assert "Val Acc" in text
    assert "Val errors" in text
    assert "Test" not in text


def test_all_pairs_of_four_norms_are_a_ranking_and_of_three_are_not() -> None:
    means = {"bn": 0.80, "gn": 0.70, "ln": 0.9, "in": 0.8005, "rms": 0.70}
    options = Options(all_pairs=True)
    ranked = comparison_table(compared(options, **means))
    assert ranked.columns[:3] == ("Norm", "n", "Rank")
    assert [row[0] for row in ranked.rows] == ["LN", "IN", "BN", "GN(4)", "RMS"]
    assert [row[2] for row in ranked.rows] == ["1", "2-3", "2-3", "4-5", "4-5"]
    assert [(row["rank_best"], row["rank_worst"]) for row in ranked.records] == [(1, 1), (2, 3), (2, 3), (4, 5), (4, 5)]
    assert "Rank: " in ranked.notes[0]
    assert "[low, high]" in ranked.notes[0]
    for others in (compared(**means), compared(options, bn=0.8, gn=0.7, ln=0.9)):
        table = comparison_table(others)
        assert "Rank" not in table.columns
        assert "rank_best" not in table.records[0]
        assert table.rows[0][0] == "BN"


def test_a_norm_of_which_every_run_diverged_has_no_rank() -> None:
    finished = [
        make_record(kind, seed, 0.8 + 0.01 * (seed * place % 4))
        for place, kind in enumerate(("bn", "gn", "ln", "in"), 1)
        for seed in range(3)
    ]
    diverged = [make_diverged("none", seed) for seed in range(3)]
    found, _ = compare_records([*finished, *diverged], Options(all_pairs=True))
    table = comparison_table(found)
    assert (table.rows[-1][0], table.rows[-1][2]) == ("none", "-")
    assert [row[2] for row in table.rows[:-1]] == ["1-4"] * 4

"""The table of norms: what its notes and headers say."""

from normbench.present.tables.norms import comparison_table
from tests.records import compare_records, make_record
from tests.tables import shown, three_seeds


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

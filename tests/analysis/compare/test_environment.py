"""What runs were made on: differences are named with the norms."""

from tests.records import compare_records, make_record


def test_another_environment_is_noted_with_the_norms_it_was_used_for() -> None:
    _, notes = compare_records([make_record("bn"), make_record("gn", precision="fp32", environment__torch="2.14.0")])
    (note,) = notes
    assert "precision: bf16 (BN), fp32 (GN(4))" in note
    assert "environment.torch: 2.15.0 (BN), 2.14.0 (GN(4))" in note

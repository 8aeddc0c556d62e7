"""What runs were made on: differences are named with the norms."""

from tests.records import compare_records, make_record


def test_a_mixture_stands_with_the_table_the_most_telling_first() -> None:
    other = {f"environment__{key}": "other" for key in ("normbench", "python", "cpu", "threads")}
    records = [make_record("bn"), make_record("gn", precision="fp32", environment__torch="2.14.0", **other)]
    (sentence,) = compare_records(records)[0].differs
    assert "precision: bf16 (BN), fp32 (GN(4)); " in sentence
    assert "environment.cpu: a CPU (BN), other (GN(4)); and 4 other keys" in sentence
    assert "environment.python" not in sentence

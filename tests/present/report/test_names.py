"""Names of the files of figures."""

from normbench.present.report.names import numbered, slug, slugs


def test_names_of_files_are_unique_and_plain() -> None:
    assert slugs(["GN(4)", "GN 4", "LN", "<>"]) == {"GN(4)": "gn-4", "GN 4": "gn-4-2", "LN": "ln", "<>": "norm"}
    assert slug("train.batch_size") == "train-batch-size"
    assert numbered(["BN", "BN", "LN"]) == ["BN", "BN 2", "LN"]

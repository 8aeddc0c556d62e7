"""McNemar's test of two runs, from their predictions."""

from pathlib import Path

import pytest

from normbench.analysis.compare.two_runs import compare_two
from normbench.errors import ConfigError
from tests.predictions import CONFIDENT, LABELS, small_record, write_predictions
from tests.records import make_diverged, make_record, write_run


def test_two_runs_are_compared_image_by_image(tmp_path: Path) -> None:
    a = write_run(tmp_path, small_record("bn"))
    b = write_run(tmp_path, make_record("gn", accuracy=0.25, data__num_eval=4))
    write_predictions(a)
    write_predictions(b, logits=CONFIDENT[:, ::-1])
    found = compare_two(str(a), str(b / "run.json"), [])
    assert (found.both_right, found.both_wrong, found.test.only_a, found.test.only_b) == (0, 0, 3, 1)


def test_two_runs_on_other_images_are_refused(tmp_path: Path) -> None:
    a = write_run(tmp_path, small_record("bn"))
    write_predictions(a)
    b = write_run(tmp_path, small_record("gn", data__fingerprint="cd" * 32))
    write_predictions(b)
    with pytest.raises(ConfigError, match=r"evaluated on other images: data\.fingerprint"):
        compare_two(str(a), str(b), [])
    c = write_run(tmp_path, small_record("ln"))
    write_predictions(c, labels=LABELS[::-1], logits=CONFIDENT[::-1])
    with pytest.raises(ConfigError, match="not the same images in the same order"):
        compare_two(str(a), str(c), [])
    diverged = write_run(tmp_path, make_diverged("in", data__num_eval=4))
    with pytest.raises(ConfigError, match="diverged"):
        compare_two(str(a), str(diverged), [])


def test_a_run_is_found_by_its_id_or_the_beginning_of_it(tmp_path: Path) -> None:
    for kind in ("bn", "gn"):
        write_predictions(write_run(tmp_path, small_record(kind)))
    found = compare_two("bn-s0-1a2b3c4d", "gn-s0", [tmp_path])
    assert (found.a.label, found.b.label) == ("BN", "GN(4)")
    with pytest.raises(ConfigError, match="did you mean 'gn-s0-1a2b3c4d'"):
        compare_two("bn-s0", "gn-s0-1a2b3c4e", [tmp_path])
    write_run(tmp_path, small_record("gn", experiment="other"))
    with pytest.raises(ConfigError, match=r"several runs are meant.*default/gn-s0-1a2b3c4d.*other/gn-s0"):
        compare_two("bn-s0", "gn-s0", [tmp_path])

"""Progress without a bar: a log line at every tenth, again after a new start."""

from normbench.data.progress import progress


def test_every_tenth_is_logged_once(said: list[str]) -> None:
    with progress("decoding", "images", bar=False) as report:
        for done in range(0, 1001, 50):
            report(done, 1000)
    assert said == [f"decoding: {tenth}0% of 1,000 images" for tenth in range(1, 11)]


def test_tenths_are_logged_again_after_a_new_start(said: list[str]) -> None:
    with progress("archive", "bytes", bar=False) as report:
        for done in (600_000, 0, 600_000, 2_000_000):
            report(done, 2_000_000)
    assert said == ["archive: 30% of 2.0 MB", "archive: 30% of 2.0 MB", "archive: 100% of 2.0 MB"]

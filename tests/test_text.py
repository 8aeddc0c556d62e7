"""Text from outside is made safe to print; counts and lists are worded in one way."""

import pytest

from normbench.text import capped, listed, nearest, plural, printable, printable_lines, reason, shortened, unknown_name


@pytest.mark.parametrize("hostile", ["\x00", "\x1b[2J", "\x7f", "\x9b", "\u202e", "\u2028", "\u2066", "\ud800", "\r\n"])
def test_what_could_steer_a_terminal_is_escaped(hostile: str) -> None:
    shown = printable(f"a{hostile}b")
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape", "surrogatepass") == f"a{hostile}b"


def test_other_scripts_stay_as_they_are() -> None:
    assert printable("γ β 猫 é") == "γ β 猫 é"


def test_the_line_breaks_of_a_message_stay() -> None:
    assert printable_lines("a\x1b\nb") == "a\\x1b\nb"


@pytest.mark.parametrize("length", [59, 60, 61, 10_000])
def test_a_shortened_text_is_at_most_as_long_as_allowed(length: int) -> None:
    text = "x" * length
    assert shortened(text) == (text if length <= 60 else "x" * 57 + "...")


@pytest.mark.parametrize(
    ("typed", "known", "expected"),
    [
        ("gm", ["bn", "gn"], "gn"),
        ("SGDD", ["sgd", "muon"], "sgd"),
        ("trian", ["train", "explain"], "train"),
        ("sede", ["sweep", "seeds"], "seeds"),  # as near to both, but for its beginning
        ("cosine", ["linear", "step", "constant"], None),
        ("x", [], None),
    ],
)
def test_the_nearest_name_is_one_that_may_be_meant(typed: str, known: list[str], expected: str | None) -> None:
    assert nearest(typed, known) == expected


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    assert unknown_name("norm", "bm", {"bn": 1, "gn": 2}) == "unknown norm 'bm': did you mean 'bn'? known: bn, gn"
    assert unknown_name("norm", "batch", ["bn"]) == "unknown norm 'batch': known: bn"
    assert len(unknown_name("norm", "x" * 1_000_000, ["bn"])) < 100


def test_counts_are_worded() -> None:
    assert [plural(count, "run") for count in (0, 1, 2, 1000)] == ["0 runs", "1 run", "2 runs", "1,000 runs"]


def test_long_lists_are_cut_and_the_rest_is_counted() -> None:
    assert listed([], 2) == ""
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert capped(["a", "b"], 2, "duplicates") == ["a", "b"]
    assert capped(["a", "b", "c", "d"], 2, "duplicates") == ["a", "b", "and 2 more duplicates"]


def test_what_a_library_says_is_one_short_line() -> None:
    assert reason(ValueError("bad\n  magic")) == "bad magic"
    assert len(reason(ValueError("x" * 10_000))) == 200

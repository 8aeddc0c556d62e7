"""A whole answer on a terminal: what a screen holds, and what is left for --notes and --full."""

import io
import re

import pytest
from rich.console import Console

from normbench.present.report.document import View, render_document
from normbench.present.report.tables import answer, default_tables
from tests.records import compare_records, make_record


def screen(view: View, width: int, *, full: bool = False, color: bool = False) -> list[str]:
    """Three norms of ten seeds that differ in precision."""
    measured = {"running": 0.7, "batch": 0.75, "precise": 0.74, "batch_size": 64}
    records = [
        make_record(kind, seed, mean + (seed * (7 + place) % 10) / 1000, statistics=measured)
        for place, (kind, mean) in enumerate({"bn": 0.85, "gn": 0.842, "ln": 0.841}.items())
        for seed in range(10)
    ]
    records[0] |= {"precision": "fp32"}
    comparison = compare_records(records)[0]
    tables, _ = answer(comparison, default_tables(comparison, full=full), verdicts=True)
    system = "standard" if color else None
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=system, no_color=not color)
    render_document(tables, view, out, {}, [])
    return out.file.getvalue().splitlines()


def test_three_norms_fit_a_screen_of_24_lines() -> None:
    lines = screen(View(notes=False), 80)
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    words = [line.split()[1] for line in lines if line[:1] in "●≈?"]
    assert len([word for word in words if word in ("real", "equivalent", "undecided")]) == 3


@pytest.mark.parametrize("width", [80, 100, 140])
def test_few_notes_and_the_rest_when_asked(width: int) -> None:
    few, every, none = (screen(view, width) for view in (View(notes=False), View(), View(quiet=True)))
    differs = next(line for line in few if "precision" in line)
    assert "(--notes)" in few[-1]
    assert len(few) - few.index(differs) - 1 <= 6  # five of notes, and the sentence may take a second line
    assert len(every) > len(few) > len(none)
    assert differs in every
    assert differs in none
    assert not any("Recipe" in line for line in none)
    left_out = re.findall(r"Not shown: (.*?) \(--full\)", few[-1])
    for title in left_out[0].split(", ") if left_out else []:
        assert not any(line.startswith(f"{title}:") for line in every)


def test_full_has_the_tests_and_every_metric() -> None:
    text = "\n".join(screen(View(), 120, full=True))
    for word in ("Holm p", "Welch p", "Flip p", "P(A>B)", "Test errors", "Acc, precise"):
        assert word in text


def test_words_differ_in_more_than_colour() -> None:
    plain, coloured = screen(View(), 100), "\n".join(screen(View(), 100, color=True))
    assert re.search("\x1b\\[1;3\\dm", coloured)
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == "\n".join(plain)

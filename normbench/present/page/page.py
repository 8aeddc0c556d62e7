"""One HTML page about comparisons: no script, no network, nothing beside the file."""

from collections.abc import Sequence
from pathlib import Path

import normbench
from normbench.analysis.compare.compare import Comparison
from normbench.analysis.compare.comparisons import Comparisons
from normbench.files import write_bytes_atomically
from normbench.present.page.figures import figures_html
from normbench.present.page.html import Html, element, joined, text
from normbench.present.page.sections import (
    answer_section,
    commands_section,
    doubts_section,
    facts_section,
    runs_section,
    tables_section,
)
from normbench.present.page.tables import table_html
from normbench.present.tables.overview import overview_table
from normbench.text import listed

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy: a browser runs and fetches nothing for this page."""


def page(found: Comparisons, paths: Sequence[str], *, images: bool) -> str:
    """The page as text. `paths` are the folders of the runs, for the commands; `images` allows images of the data."""
    several = len(found.shown) > 1
    title = f"Which norm? {listed([*dict.fromkeys(name for one in found.shown for name in one.experiments)])}"
    parts = [
        _comparison(one, paths, number if several else None, images=images) for number, one in enumerate(found.shown, 1)
    ]
    left_out = element("ul", *(element("li", note) for note in found.notes))
    notes = [element("h2", "Left out"), left_out] if found.notes else []
    overview = [table_html(overview_table(found.overview, len(found.shown)))] if len(found.overview) > 1 else []
    body = joined([element("h1", title), *overview, *parts, *notes, _foot()])
    head = "".join(
        [
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            element("title", title).markup,
            f"<style>{STYLE.read_text(encoding='utf-8')}</style>",
        ]
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{element("main", body).markup}</body></html>\n'


def write_page(output: Path, found: Comparisons, paths: Sequence[str], *, images: bool) -> None:
    """Writes `page` to a file. Raises OSError."""
    write_bytes_atomically(output, page(found, paths, images=images).encode())


def _comparison(comparison: Comparison, paths: Sequence[str], number: int | None, *, images: bool) -> Html:
    ending = "" if number is None else f"-{number}"
    with_predictions = any(
        not isinstance(run.predictions, Exception | None) for row in comparison.rows for run in row.runs
    )
    sections: list[tuple[str, str, Html]] = [
        ("answer", "The answer", answer_section(comparison)),
        ("compared", "What was compared", facts_section(comparison)),
        ("doubts", "What weakens it", doubts_section(comparison)),
        ("tables", "Tables", tables_section(comparison, with_predictions=with_predictions and comparison.key is None)),
        ("figures", "Figures", _figures(comparison, images=images)),
        ("runs", "Every run", runs_section(comparison)),
        ("again", "Make it again", commands_section(comparison, list(paths))),
    ]
    links = (element("li", element("a", title, href=f"#{name}{ending}")) for name, title, _ in sections)
    heading = [] if number is None else [element("h2", f"Set {number}: {listed(comparison.experiments)}")]
    level = "h2" if number is None else "h3"
    shown = (
        element("section", element(level, title, id=f"{name}{ending}"), content, aria_labelledby=f"{name}{ending}")
        for name, title, content in sections
    )
    return joined([*heading, element("nav", element("ul", *links), aria_label="Sections"), *shown])


def _figures(comparison: Comparison, *, images: bool) -> Html:
    drawn = [
        element("div", element("h3", caption), *figures) for caption, figures in figures_html(comparison, images=images)
    ]
    return joined(drawn) if drawn else element("p", "No figure can be drawn of these runs.")


def _foot() -> Html:
    return element("p", f"Made by normbench {normbench.__version__} from the folders of the runs.", class_="quiet")

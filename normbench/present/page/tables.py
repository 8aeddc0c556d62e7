"""A table, and the answers above it, as HTML."""

from normbench.present.page.html import Html, element, joined
from normbench.present.tables.table import Answer, Cell, Table
from normbench.present.tables.table import joined as one_line


def answers_list(answers: tuple[Answer, ...]) -> Html:
    """The sentence of each pair, with its word in front."""
    return element("ul", *map(_answer, answers), class_="answers")


def _answer(answer: Answer) -> Html:
    word = element("strong", answer.word, class_=f"word {answer.word.replace(' ', '-')}")
    return element("li", word, " ", answer.sentence)


def table_html(table: Table) -> Html:
    """The rows under a caption, the footer below them, and the notes to be unfolded."""
    titles = (element("th", title, scope="col", class_=_kind(table, i)) for i, title in enumerate(table.columns))
    head = element("tr", *titles)
    body = (element("tr", *(_cell(table, i, cell) for i, cell in enumerate(row))) for row in table.rows)
    grid = element("table", element("caption", table.title), element("thead", head), element("tbody", *body))
    footer = (element("p", sentence, class_="footer") for sentence in table.footer)
    notes = joined(element("li", note) for note in table.notes)
    how = element("details", element("summary", "How to read it"), element("ul", notes)) if table.notes else ""
    # A table that is wider than the screen scrolls by itself, also by the keyboard.
    scrolls = element("div", grid, class_="scrolls", tabindex="0", role="region", aria_label=table.title)
    return joined([scrolls, *footer, how])


def _cell(table: Table, place: int, cell: Cell) -> Html:
    shown = one_line(cell)
    if place == 0:
        return element("th", shown, scope="row", class_=_kind(table, place))
    return element("td", shown, class_=_kind(table, place))


def _kind(table: Table, place: int) -> str | None:
    return None if place < table.num_text_columns else "number"

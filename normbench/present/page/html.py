"""Elements of HTML. Text from anywhere becomes text, never markup."""

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from normbench.text import printable


class Html(NamedTuple):
    """Markup that this package made."""

    markup: str


Content = Html | str
"""Markup, or text to be escaped."""


def element(tag: str, *content: Content, **attributes: str | bool | None) -> Html:
    """`element("td", "a < b", class_="number")` is `<td class="number">a &lt; b</td>`; None and False leave out."""
    return Html(f"<{tag}{_attributes(attributes)}>{joined(content).markup}</{tag}>")


def joined(content: Iterable[Content]) -> Html:
    """One after the other."""
    return Html("".join(part.markup if isinstance(part, Html) else text(part) for part in content))


def text(content: object) -> str:
    """`content` as text of a page: markup escaped, control characters made visible."""
    return escape(printable(content), quote=True)


def _attributes(attributes: dict[str, str | bool | None]) -> str:
    shown = {
        name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value not in (None, False)
    }
    return "".join(f" {name}" if value is True else f' {name}="{text(value)}"' for name, value in shown.items())

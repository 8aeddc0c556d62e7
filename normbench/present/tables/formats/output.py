"""Printing text as it is, whatever signs the output can hold."""

from rich.console import Console

from normbench.text import encodable


def put(text: str, console: Console) -> None:
    """Prints the text without wrapping or styling; signs that the output cannot encode are replaced."""
    console.out(shown(text, console), highlight=False)


def shown(text: str, console: Console) -> str:
    """The text as the encoding of `console` can hold it."""
    return encodable(text, console.encoding or "utf-8")

"""What `normbench norms gn` prints: one norm with its formula, options and paper."""

import textwrap

from rich.console import Console
from rich.text import Text

from normbench.norms.description import Description

FEWEST, MOST = 40, 100  # columns: other lines are hard to read


def print_norm(norm: Description, label: str, console: Console) -> None:
    """`label` is the norm's label in tables, with its default options."""
    width = min(max(console.width, FEWEST), MOST)
    heading = Text(norm.kind, style="bold")
    heading.append(f"  {norm.name}, {label} in tables", style="not bold")
    console.print(heading, soft_wrap=True)
    for paragraph in filter(None, (norm.sentence, *norm.text.split("\n\n"))):
        console.print()
        lines = textwrap.wrap(" ".join(paragraph.split()), width - 2)
        _put("\n".join(f"  {line}" for line in lines), console)
    console.print()
    longest = max(map(len, norm.options))
    for name, value in norm.options.items():
        _put(f"  norm.{name:<{longest}}  {_shown(value)}", console)
    name, value = next(iter(norm.options.items()))
    console.print()
    _put(f"  normbench train --norm {norm.kind} --set norm.{name}={_shown(value)}", console)
    if norm.aliases:
        _put(f"  also called {', '.join(norm.aliases)}", console)


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _put(text: str, console: Console) -> None:
    console.print(Text(text), soft_wrap=True)

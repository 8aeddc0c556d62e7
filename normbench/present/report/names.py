"""How the files of a comparison's figures are named."""

import re
from collections.abc import Iterable


def slug(text: str) -> str:
    """`text` as part of a file name: lower case, words joined by hyphens. Example: slug("GN(4)") == "gn-4"."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "norm"


def slugs(labels: Iterable[str]) -> dict[str, str]:
    """A unique part of a file name for each label."""
    names = list(labels)
    return dict(zip(names, numbered([slug(name) for name in names], "-"), strict=True))


def numbered(names: Iterable[str], before: str = " ") -> list[str]:
    """The names, made unique: the second "BN" becomes "BN 2"."""
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in found:
            number += 1
            candidate = f"{name}{before}{number}"
        found.append(candidate)
    return found

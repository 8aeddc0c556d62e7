"""Words of messages: text from outside made safe to print, unknown names answered, counts and cut lists."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches
from os.path import commonprefix

# Characters above the space that could steer a terminal (C1), turn the reading order, or that cannot be encoded (lone
# surrogates).
ABOVE_SPACE = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
UNPRINTABLE = re.compile(f"[\x00-\x1f{ABOVE_SPACE}]")


def printable(text: object) -> str:
    """`str(text)` with control characters written as escapes, so that a name from a file cannot steer a terminal."""
    return UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], str(text))


def printable_lines(text: object) -> str:
    """A message with each line made `printable`; the line breaks stay."""
    return "\n".join(map(printable, str(text).split("\n")))


_IN_ASCII = str.maketrans({"●": "*", "≈": "~", "–": "-", "−": "-", "±": "+/-", "×": "x", "·": "."})


def encodable(text: str, encoding: str) -> str:
    """`text` with the signs that `encoding` lacks replaced: by ASCII where there is a usual way, else by an escape."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def shortened(text: str, most: int = 60) -> str:
    """`text`, cut to `most` characters: a message may repeat user input of any length."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def reason(error: BaseException) -> str:
    """What a library says about a file, on one line and cut: it may repeat bytes of the file."""
    return shortened(" ".join(str(error).split()), 200)


def bare(name: str) -> str:
    """`name` in lower case without hyphens, underscores and spaces, in which other spellings of it differ."""
    return re.sub(r"[-_ ]", "", name.lower())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs least from `name`; None if none is near."""
    typed, names = bare(name), {bare(other): other for other in known}
    near = get_close_matches(typed, names, n=5, cutoff=0.5 if len(typed) < 3 else 0.6)
    likeness = {other: SequenceMatcher(None, other, typed).ratio() for other in near}
    begins = {other: len(commonprefix([other, typed])) for other in near}  # noqa: RUF071  (words, not paths)
    best = max(near, key=lambda other: (likeness[other], begins[other]), default=None)
    return None if best is None else names[best]


MOST_KNOWN = 20
"""Names that a message lists."""


def unknown_name(what: str, name: object, known: Iterable[str]) -> str:
    """A sentence about an unknown name: the name found, the nearest known one, and all known ones, of many a few."""
    names = [str(k) for k in known]
    near = nearest(str(name), names)
    hint = f"did you mean {near!r}? " if near else ""
    if len(names) > MOST_KNOWN:
        likest = get_close_matches(str(name), names, n=3, cutoff=0)
        shown = f"{len(names)} are known, such as {', '.join(likest)}"
    else:
        shown = f"known: {', '.join(names)}"
    return f"unknown {what} {shortened(repr(str(name)))}: {hint}{shown}"


def plural(count: int, noun: str) -> str:
    """`1 run`, `3 runs`, `1,000 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a, b`; of more than `most` names `a, b, c and 2 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def capped(sentences: Sequence[str], most: int, noun: str) -> list[str]:
    """The first `most` sentences; of more, a last one that counts the rest: `and 2 more duplicates`."""
    more = len(sentences) - most
    return [*sentences[:most], f"and {more:,} more {noun}"] if more > 0 else list(sentences)

"""Text that a stranger may have written, such as a name in a file or of a folder, so that it can be shown."""

import re

# What could steer a terminal (C0, C1), turn the reading order, or not be printed at all (lone surrogates).
ABOVE_SPACE = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
UNPRINTABLE = re.compile(f"[\x00-\x1f{ABOVE_SPACE}]")


def printable(text: object) -> str:
    """`str(text)` with its control characters written as escapes, so that a name cannot steer a terminal."""
    return UNPRINTABLE.sub(lambda match: ascii(match.group())[1:-1], str(text))


def printable_lines(text: object) -> str:
    """`printable` of each line of a message: the line breaks stay."""
    return "\n".join(map(printable, str(text).split("\n")))

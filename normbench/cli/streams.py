"""Standard streams and a width that every command can rely on. Imports nothing that takes time."""

import os
import sys
from typing import Literal, TextIO


def make_usable() -> None:
    """Opens what is closed among stdin, stdout and stderr, and forgets a width of no columns.

    A closed one is replaced by the null device: the number of its descriptor would be given to the next file that is
    opened, and a warning of a library would be written into a checkpoint. COLUMNS=0, as containers and editors set it,
    means that the width is not known; rich takes it at its word, and prints nothing.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdin = sys.stdin or _null("r")
    sys.stdout = sys.stdout or _null("w")
    sys.stderr = sys.stderr or _null("w")
    width = os.environ.get("COLUMNS")
    if width is not None and not (width.isdecimal() and int(width) > 0):
        del os.environ["COLUMNS"]


def _null(mode: Literal["r", "w"]) -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123  (it stays open)

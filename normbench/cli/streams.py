"""Standard streams and a width that every command can rely on. Imports nothing that takes time."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TextIO, cast


def make_usable() -> None:
    """Opens what is closed among stdin, stdout and stderr, makes stderr lasting, and forgets a width of no columns.

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
    sys.stderr = lasting(sys.stderr or _null("w"))
    width = os.environ.get("COLUMNS")
    if width is not None and not (width.isdecimal() and int(width) > 0):
        del os.environ["COLUMNS"]


def _null(mode: Literal["r", "w"]) -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123  (it stays open)


def lasting(stream: TextIO, tell: Callable[[str], None] = lambda reason: None) -> TextIO:
    """`stream`, but what cannot be written to it is left out: a full disk or a reader that is gone ends no training.

    `tell` is called with the reason the first time.
    """
    return cast(TextIO, _Lasting(stream, tell))


class _Lasting:
    def __init__(self, stream: TextIO, tell: Callable[[str], None]) -> None:
        self._stream, self._tell, self._has_told = stream, tell, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._tolerant():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._tolerant():
            self._stream.flush()

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            _drop_what_waits(self._stream)
            if not self._has_told:
                self._has_told = True
                self._tell(error.strerror or str(error))


def _drop_what_waits(stream: TextIO) -> None:
    """Empties the buffer of a stream: Python would fail again to write it, at the latest when it ends."""
    with suppress(OSError):
        descriptor = stream.fileno()
        before, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        try:
            stream.flush()
        finally:
            os.dup2(before, descriptor)
            os.close(before)
            os.close(nowhere)

"""Errors of code from outside, told in one sentence with the user's own line."""

import traceback
from pathlib import Path

import normbench
from normbench.plugins.source import is_installed

_OURS = Path(normbench.__file__).parent


def reason(error: BaseException) -> str:
    """`ValueError: no such width (net.py, line 12)`: the error's first line, and the last line of the user's code."""
    first_line = " ".join(str(error).partition("\n")[0].split())
    text = f"{type(error).__name__}: {first_line}".removesuffix(": ")
    place = own_line(error)
    return f"{text} ({place})" if place and place not in text else text


def own_line(error: BaseException) -> str | None:
    """`net.py, line 12`: the innermost line of the traceback that is of the user; None if there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if not (frame.filename.startswith("<") or is_installed(file) or file.is_relative_to(_OURS)):
            return f"{file.name}, line {frame.lineno}"
    return None

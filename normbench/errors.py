"""One exception root; each class carries the exit code the command line ends with."""

from collections.abc import Iterable
from difflib import get_close_matches


class NormbenchError(Exception):
    """Something a user can mend. `str(error)` is the whole message: what, where, what is allowed, the way out."""

    exit_code = 1


class ConfigError(NormbenchError):
    """A usage or config error: a bad flag, key, value, or a network over its budget."""

    exit_code = 2


class DataError(NormbenchError):
    """The data set is missing, damaged, or not in the expected form."""

    exit_code = 3


class RunError(NormbenchError):
    """A run failed or diverged."""

    exit_code = 4


class Interrupted(NormbenchError):
    """The user stopped a run; its checkpoint is kept."""

    exit_code = 130


def unknown_name(what: str, name: object, known: Iterable[str]) -> str:
    """One sentence for an unknown name: what was found, the nearest valid one, and all that are allowed."""
    names = [str(k) for k in known]
    near = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {str(name)!r}: {hint}known: {', '.join(names)}"

"""The problems of a config, collected so that one message names all of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from normbench.config.tree import KeyPath, Place, dotted
from normbench.errors import ConfigError

MAX_LINES = 50  # of a message: a sweep can have a problem for each of thousands of values
MAX_PROBLEMS = 1_000  # then the search for more ends


@dataclass(frozen=True)
class Problem:
    """One thing to mend. `str(problem)` is its line in a message."""

    place: Place
    key: KeyPath
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), dotted(self.key), self.text) if part)


class Problems:
    """A collector of problems. What a `scope` collects, the collector that made it has too."""

    def __init__(self, outer: "Problems | None" = None) -> None:
        self.found: list[Problem] = []
        self._outer = outer

    @property
    def ok(self) -> bool:
        """Whether nothing was collected."""
        return not self.found

    def scope(self) -> "Problems":
        """A collector for one step, whose `ok` tells about that step alone."""
        return Problems(self)

    def concern(self, section: str) -> bool:
        """Whether a problem's key is `section` or is inside it."""
        return any(problem.key[:1] == (section,) for problem in self.found)

    def add(self, place: Place, key: KeyPath, text: str) -> None:
        self.extend([Problem(place, key, text)])

    def extend(self, problems: Iterable[Problem]) -> None:
        new = list(problems)
        self.found += new
        if self._outer is not None:
            self._outer.extend(new)

    def error(self, *more: str) -> ConfigError:
        """The error with a line for each problem, file by file, then the lines of `more`."""
        in_order = sorted(self.found, key=lambda problem: (problem.place.origin, problem.place.line or 0))
        lines = list(dict.fromkeys(map(str, in_order)))
        if len(lines) > MAX_LINES:
            lines[MAX_LINES:] = [f"and {len(lines) - MAX_LINES:,} problems more"]
        return ConfigError("\n".join([*lines, *more]))

    def raise_if_many(self) -> None:
        """Raises ConfigError with the problems so far once they are more than MAX_PROBLEMS."""
        if len(self.found) > MAX_PROBLEMS:
            raise self.error()

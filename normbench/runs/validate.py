"""Validates a config by building its parts: a part may refuse values that have the right type.

No data are read. torch is imported when a config is checked, so a wrong name or type is found before.
"""

from collections.abc import Callable

from normbench.config import Config, KeyProblem
from normbench.config.tree import KeyPath
from normbench.data.place import check_place
from normbench.errors import ConfigError


def check_parts(*, within_budget: bool, needs_data: bool = False) -> Callable[[Config], list[KeyProblem]]:
    """The `check` of `load_config` and `load_experiment`: builds each part as a run does, and returns the refusals.

    Equal parts are built once, however many runs of a sweep share them. With `within_budget` a network over its budget
    is refused too. With `needs_data` it raises DataError for data whose named file or folder is not there.
    """
    refusals: dict[str, str] = {}  # by part; empty if the part was built

    def check(config: Config) -> list[KeyProblem]:
        if needs_data:
            check_place(config.data)
        from normbench.runs.parts import parts_of

        found: dict[str, KeyPath] = {}  # by sentence: parts that are built of a refused part give the same sentence
        for key, depends_on, build in parts_of(config, within_budget=within_budget):
            part = repr((key, depends_on))
            if part not in refusals:
                refusals[part] = _refusal(build)
            if refusals[part]:
                found.setdefault(refusals[part], key)
        return [(key, text) for text, key in found.items()]

    return check


def _refusal(build: Callable[[], object]) -> str:
    try:
        build()
    except ConfigError as error:
        return str(error)
    return ""

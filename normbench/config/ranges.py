"""Ranges of numbers in a config: `{from: 0, to: 9}`, `{from: 0.005, to: 0.32, num: 7, scale: log}`."""

from typing import Any

from normbench.config.messages import shown
from normbench.config.problems import Problems
from normbench.config.tree import KeyPath, Located
from normbench.text import unknown_name

MAX_RUNS = 10_000
"""The most runs of an experiment, and so the most values of a range."""

MAX_VALUES = 1_000_000
"""The most config values of all runs or trials together: each is validated."""

_KEYS = ("from", "to", "num", "scale", "step")


def expand_range(node: Located, path: KeyPath, problems: Problems) -> Located | None:
    """The range as the list of its values, both ends included; None after adding what is wrong to `problems`.

    Whole numbers are spaced by `step` (1). `num` is the number of values, evenly spaced, or with equal ratios for
    `scale: log`; if both ends are whole numbers, so is a value that is whole to 12 digits.
    """
    here = problems.scope()
    given = {key: item.plain() for key, item in node.value.items()}
    for key, item in node.value.items():
        if key not in _KEYS:
            here.add(item.place, (*path, key), unknown_name("key of a range", key, _KEYS))
        elif not _is_allowed(key, given[key]):
            here.add(item.place, (*path, key), f"must be {_ALLOWED[key]}, found {shown(given[key])}")
    if not {"from", "to"} <= given.keys():
        here.add(node.place, path, "a range needs 'from' and 'to', such as {from: 0, to: 9}")
    if here.ok and (contradiction := _contradiction(given)):
        here.add(node.place, path, contradiction)
    if not here.ok:
        return None
    return Located([Located(value, node.place) for value in _values(given)], node.place)


_ALLOWED = {
    "from": "a finite number",
    "to": "a finite number",
    "num": f"a whole number from 2 to {MAX_RUNS:,}",
    "scale": "linear or log",
    "step": "a whole number of at least 1",
}


def _is_allowed(key: str, value: Any) -> bool:
    if key == "scale":
        return value in ("linear", "log")
    if type(value) is bool or not isinstance(value, int | float) or not abs(value) < 2**63:  # nor nan
        return False
    if key in ("from", "to"):
        return True
    return isinstance(value, int) and (2 <= value <= MAX_RUNS if key == "num" else value >= 1)


def _contradiction(given: dict[str, Any]) -> str:
    """Why keys whose values are allowed make no range together; empty if they do."""
    first, last, is_whole = given["from"], given["to"], _is_whole(given)
    if first >= last:
        return f"'from' must be below 'to', found {{from: {first}, to: {last}}}"
    if "num" in given:
        if "step" in given:
            return "a range has 'num' or 'step', not both"
        return "a log scale begins above 0" if given.get("scale") == "log" and first <= 0 else ""
    if not is_whole or "scale" in given:
        return "needs 'num', how many values there are; without it a range is of whole numbers, by 'step'"
    step = given.get("step", 1)
    if (last - first) % step:
        reached = last - (last - first) % step
        return f"steps of {step} from {first} do not meet {last}: 'to' may be {reached} or {reached + step}"
    num = (last - first) // step + 1
    return f"holds {num:,} values, and {MAX_RUNS:,} are allowed" if num > MAX_RUNS else ""


def _values(given: dict[str, Any]) -> list[int | float]:
    first, last = given["from"], given["to"]
    if "num" not in given:
        return list(range(first, last + 1, given.get("step", 1)))
    parts = given["num"] - 1
    if given.get("scale") == "log":
        inner = [first * (last / first) ** (index / parts) for index in range(1, parts)]
    else:
        inner = [first + (last - first) * index / parts for index in range(1, parts)]
    # 12 digits: 0.01 and not 0.010000000000000002, so that the numbers are those a user would write
    rounded = [first, *(float(f"{value:.12g}") for value in inner), last]
    if _is_whole(given):
        return [int(value) if float(value).is_integer() else value for value in rounded]
    return [float(value) for value in rounded]


def _is_whole(given: dict[str, Any]) -> bool:
    return isinstance(given["from"], int) and isinstance(given["to"], int)

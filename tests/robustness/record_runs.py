"""Runs `compare` on harmed results, and judges its answer."""

import csv
import json
import re
from pathlib import Path

from tests.robustness.entry import Ended, run_main

LIMIT_S = 20.0
LONGEST_LINE = 3000

_REFUSAL = re.compile(
    r"^normbench: (these runs differ in more than|no run has|--by |--where |--baseline |--strict|the table \w+ needs)"
)
"""Refusals that are right although only one file was harmed, such as that of runs with different recipes."""
_REFUSAL_OF_TWO = re.compile(r"^normbench: (--mcnemar|\S+(run\.json|predictions\.npz)\b)")
"""Refusals that are right for a question about two runs."""


def complaint(ended: Ended, question: list[str]) -> str | None:
    """What is wrong with an answer; None for a whole answer, and for one message that names what was wrong."""
    if ended.code not in (0, 2, 3):
        return f"exit code {ended.code}\n{ended.traceback()}"
    for word in ("Traceback", " object at 0x", "<class "):
        if word in ended.stdout + ended.stderr:
            return f"{word!r} in the answer\n{ended.stdout}\n{ended.stderr}"
    if re.search("[\x00-\x09\x0b-\x1f\x7f]", ended.stdout + ended.stderr):
        return f"control characters in the answer\n{ended.stdout!r}\n{ended.stderr!r}"
    longest = max(map(len, ended.stderr.splitlines()), default=0)
    if longest > LONGEST_LINE:
        return f"a line of {longest} characters\n{ended.stderr[:3000]}"
    if ended.code:
        refusal = _REFUSAL_OF_TWO if "--mcnemar" in question else _REFUSAL
        return None if refusal.search(ended.stderr) else f"refused for no reason\n{ended.stderr}"
    return _no_answer(ended.stdout, question[question.index("--format") + 1])


def _no_answer(text: str, format: str) -> str | None:
    if format == "json":
        try:
            json.loads(text, parse_constant=_refuse)
        except ValueError as error:
            return f"not JSON: {error}\n{text}"
        return None
    if format == "csv":
        widths = {len(row) for row in csv.reader(text.splitlines())}
        return None if len(widths) == 1 else f"rows of {widths} columns\n{text}"
    return None if text.strip() else "nothing was said"


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def ask(results: Path, question: list[str]) -> Ended:
    """Runs `compare` with the question, in which RESULTS and FIGURES stand for folders."""
    places = {"RESULTS": str(results), "FIGURES": str(results.parent / "figures")}
    words = [re.sub("RESULTS|FIGURES", lambda name: places[name.group()], word) for word in question]
    return run_main(["compare", results, *words], LIMIT_S)

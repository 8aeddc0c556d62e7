"""Runs a config through the entry point until its first training step, and judges how the command ended."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from normbench.config import load_config, shipped_configs
from normbench.data.dataset import Dataset, Split
from normbench.data.normalization import CIFAR10_CONSTANTS
from normbench.errors import Interrupted
from normbench.runs.events import Event, Finished, Step
from normbench.runs.execute import train_run
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import run_id
from normbench.sweeps.worker import RunRequest
from normbench.train.machine import Machine
from tests.robustness.config_cases import MAIN, Case
from tests.robustness.entry import Ended, run_main

LIMIT_S = 20.0
LONGEST_LINE = 1500
A_STEP = "a step was run"


def run_case(case: Case, folder: Path) -> Ended:
    """Runs the command in an empty `folder`; after its first training step it ends as if it had been interrupted."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    config = folder / MAIN
    named = ["--config", config] if case.command == "train" else [config]
    with _one_step(), _few_images():
        return run_main(
            [case.command, *named, "--results", folder / "results", "--device", "cpu", *case.flags], LIMIT_S
        )


def complaint(case: Case, ended: Ended, folder: Path) -> str | None:
    """What is wrong with how the command ended; None if a step was trained, or the config was refused properly."""
    if ended.code == 130 and A_STEP in ended.stderr:
        return _not_the_same_again(folder / "results")
    if ended.code != 2:
        return f"exit code {ended.code}\n{ended.traceback()}"
    return _bad_message(case, ended.stderr, folder)


def _bad_message(case: Case, message: str, folder: Path) -> str | None:
    if "Usage: normbench" in message:  # typer's own messages have another form
        return None if case.flags else f"refused by the parser, without a flag\n{message}"
    for word in ("Traceback", " object at 0x", "<class ", "pydantic", "Input should", "must be valid ("):
        if word in message:
            return f"{word!r} in the message\n{message}"
    if any(len(line) > LONGEST_LINE for line in message.splitlines()):
        return f"a line of {max(map(len, message.splitlines()))} characters\n{message[:3000]}"
    message = message[message.index("normbench: ") :]  # messages before the refusal do not count
    first, *more = message.removeprefix("normbench: ").rstrip("\n").split("\n")
    for line in [first, *(line for line in more if not line.startswith((" ", "and ", "`")))]:
        if not _has_place(case, line, folder):
            return f"neither file and line nor flag: {line!r}\n{message[:3000]}"
    return None


_WHOLE_FILE = re.compile(r": (is empty|is larger|no such file|is a folder|cannot be read|must be a mapping)")
_NO_KEY = re.compile(
    r"is not (YAML|UTF-8)|lists and mappings are|holds more than|aliases expand|an alias holds|.*a key must be text"
)


def _has_place(case: Case, line: str, folder: Path) -> bool:
    """Whether the line of a message begins with a file's line that has the key in it, or with a flag."""
    contents = case.files | {str(path): path.read_bytes() for path in shipped_configs().values()}
    for name, content in contents.items():
        place = re.match(rf"{re.escape(str(folder / name))}(?:, line (\d+))?: ", line)
        if place and place.group(1):
            lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", content.decode("utf-8-sig", errors="replace"))
            number = int(place.group(1))
            return 1 <= number <= len(lines) and _is_about(line[place.end() :], lines[number - 1])
        if place:
            return bool(_WHOLE_FILE.search(line))
    return line.startswith("--set ") and bool(case.flags)


def _is_about(text: str, line: str) -> bool:
    """Whether the sentence names the key or the value that stands in the line."""
    has_no_word = bool(line.strip()) and not _words(line)
    is_written_otherwise = "\\" in text or "..." in text or "''" in text or has_no_word
    signs = {quoted for quoted in re.findall("'([^']+)'", text) if not _words(quoted)}  # such as the key '-'
    return (
        is_written_otherwise
        or bool(_NO_KEY.match(text) or _words(text) & _words(line))
        or any(sign in line for sign in signs)
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _not_the_same_again(results: Path) -> str | None:
    """A complaint if the config.yaml that a run wrote is that of another run."""
    written = next(results.rglob("config.yaml"))
    again = load_config(written, REGISTRIES)
    return None if run_id(again) == written.parent.name else f"{written} is the config of {run_id(again)}"


def _stop_at_a_step(event: Event) -> None:
    if isinstance(event, Step) or (isinstance(event, Finished) and event.record.status == "diverged"):
        raise Interrupted(A_STEP)


@contextmanager
def _one_step() -> Iterator[None]:
    def make_plan(requests: Sequence[RunRequest], dataset: Dataset, machine: Machine, *_: Any, **__: Any) -> Any:
        for request in (requests[0], requests[-1]):
            try:
                train_run(request.config, request.folder, dataset, machine, report=_stop_at_a_step)
            except Interrupted as stop:
                last = stop
        raise last

    with (
        patch("normbench.present.terminal.run.RunView.show", lambda view, event: _stop_at_a_step(event)),
        patch("normbench.sweeps.run.make_plan", make_plan),
    ):
        yield


@contextmanager
def _few_images() -> Iterator[None]:
    """Replaces the data of any config by a few random images: other tests read data from where a config says."""
    generator = torch.Generator().manual_seed(0)

    def split(number: int) -> Split:
        images = torch.randint(0, 256, (number, 3, 32, 32), generator=generator, dtype=torch.uint8)
        return Split(images, torch.arange(number) % 3)

    dataset = Dataset(
        "folder", "cats, dogs and ships", ("cat", "dog", "ship"), split(30), split(6), CIFAR10_CONSTANTS, "ab" * 32
    )
    with (
        patch("normbench.data.load.load_dataset", lambda *_, **__: dataset),
        patch("normbench.runs.validate.check_place", lambda _: None),
    ):
        yield

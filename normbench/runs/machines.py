"""`machines.json`: what measuring chose, once for an experiment on each machine, so that its runs agree in it."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import torch

from normbench.errors import NormbenchError
from normbench.files import write_json_atomically
from normbench.locks import locked
from normbench.runs.environment import describe_environment
from normbench.runs.folder import RunFolder, machines_file
from normbench.runs.read import RecordError, read_document, read_record
from normbench.runs.schema import Document, Part, Parts
from normbench.train.engine import ENGINES

logger = logging.getLogger(__name__)

PRECISIONS = ("fp32", "bf16")

Facts = dict[str, str | None]
"""What of a machine decides how fast its choices are, by name."""


class MachineChoices(Part):
    """A machine, and what was chosen on it."""

    facts: Facts
    choices: dict[str, str]
    """By the name of the choice: `precision`; `together.<norm>-<hash>`, how the seeds of a norm train on a GPU."""


class Machines(Document):
    """The machines that an experiment was trained on."""

    machines: Parts[MachineChoices] = ()

    way_back: ClassVar[str] = "remove it, and the choices are made again"


def decided_precision(experiment: Path, device: torch.device, measure: Callable[[], str], *, keep: bool = True) -> str:
    """What `train.precision: auto` means for an experiment on this machine; the arguments are those of `decided`.

    In a folder of finished runs without `machines.json` it is what most of them had on this machine.
    """

    def find() -> str:
        of_runs = Counter(_precisions_so_far(experiment, facts_now(device)))
        return of_runs.most_common(1)[0][0] if of_runs else measure()

    return decided(experiment, device, "precision", PRECISIONS, find, keep=keep)


def decided_engine(experiment: Path, device: torch.device, name: str, measure: Callable[[], str]) -> str:
    """The engine of a network of the experiment on this machine, as `runs.engine` names it; see `decided`."""
    return decided(experiment, device, name, ENGINES, measure)


def decided(
    experiment: Path,
    device: torch.device,
    name: str,
    among: Collection[str],
    measure: Callable[[], str],
    *,
    keep: bool = True,
) -> str:
    """The value chosen for `name` in this experiment on this machine: one of `among`, found by `measure` only once.

    `experiment` is the folder of the experiment. Of two processes the second waits for the choice of the first. A file
    that is damaged, or that cannot be written, is logged, and the choice holds for this command. Without `keep`
    nothing is written.
    """
    facts = facts_now(device)
    if not keep:
        kept = _choices(_machines(experiment), facts).get(name, "")
        return kept if kept in among else measure()
    with locked(experiment):
        machines = _machines(experiment)
        choices = _choices(machines, facts)
        if (kept := choices.get(name, "")) in among:
            return kept
        found = measure()
        others = tuple(machine for machine in machines if not _is_same(machine.facts, facts))
        changed = Machines(machines=(*others, MachineChoices(facts=facts, choices=choices | {name: found})))
        try:
            write_json_atomically(machines_file(experiment), changed.to_dict())
        except NormbenchError as error:
            logger.info(f"note: {error}; {name} {found} is chosen for this command alone")
        return found


def facts_now(device: torch.device) -> Facts:
    return _facts(device.type, describe_environment(device))


def _facts(device: str, environment: Mapping[str, Any]) -> Facts:
    """Processor, torch, and on a CPU what makes its arithmetic fast or slow."""
    if device == "cuda":
        return {"device": device, "processor": environment.get("gpu"), "torch": environment.get("torch")}
    return {
        "device": device,
        "processor": environment.get("cpu"),
        "torch": environment.get("torch"),
        "cpu_capability": environment.get("cpu_capability"),
        "kernels": str(environment.get("kernels")).partition(",")[0],  # without the digest of their source
        "variables": environment.get("variables"),
        **({"kernel_level": environment["kernel_level"]} if "kernel_level" in environment else {}),
    }


def _is_same(kept: Facts, now: Facts) -> bool:
    """Whether the kept facts are those of this machine; a version before levels kept none about them."""
    return kept.items() <= now.items()


def _choices(machines: Collection[MachineChoices], facts: Facts) -> dict[str, str]:
    return next((dict(machine.choices) for machine in machines if _is_same(machine.facts, facts)), {})


def _machines(experiment: Path) -> tuple[MachineChoices, ...]:
    try:
        found = read_document(machines_file(experiment), Machines)
    except RecordError as error:
        logger.info(f"note: {error}; what it should say is measured again")
        return ()
    return found.machines if found else ()


def _precisions_so_far(experiment: Path, facts: Facts) -> Iterator[str]:
    """The precisions of the experiment's runs, trained on such a machine, whose config left the choice to normbench."""
    for path in sorted(experiment.glob("*/run.json")):
        with suppress(RecordError):
            record = read_record(RunFolder(path.parent))
            train = record.config.get("train")
            is_auto = isinstance(train, dict) and train.get("precision") == "auto"
            known = _facts(record.device, record.environment)
            if is_auto and record.precision in PRECISIONS and _is_same(known, facts):
                yield record.precision

"""All contenders in turn: the network with each norm and without, the plain loop, the machine itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from normbench.bench.contender import Contender
from normbench.bench.machine import ceilings
from normbench.bench.plain import plain_laps
from normbench.bench.result import WITHOUT, Bench, Timed
from normbench.bench.training import training_laps
from normbench.bench.turns import rounds_in_turn
from normbench.config import Choice, Config
from normbench.data import Dataset
from normbench.models.trace import count_macs
from normbench.norms import norm_label
from normbench.runs.build import build_network
from normbench.sweeps.estimate import common_precision
from normbench.train.machine import Machine

WARM_UP = 1  # rounds that are not counted
MACHINE = "the machine"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`steps`: of each contender in a round; `plain`: the plain loop too."""

    device: torch.device
    threads: int
    rounds: int
    steps: int
    plain: bool


def measure(configs: Sequence[Config], dataset: Dataset, plan: Plan, say: Say) -> Bench:
    """Times a training step with the norm of each config, which else are equal, and without norm.

    Every contender is a process of its own with `plan.threads` threads, which loads the data set from the cache.
    `say` gets a line a round. Raises ConfigError for a norm that does not fit the network, RunError for a process that
    dies.
    """
    bare = configs[0].model_copy(update={"norm": Choice(WITHOUT)})
    by_norm = {WITHOUT: bare} | {config.norm.name: config for config in configs}
    macs = {norm: count_macs(build_network(config, len(dataset.class_names))) for norm, config in by_norm.items()}
    precision = common_precision(configs[0], dataset, Machine(plan.device, plan.threads))
    contenders: dict[str, Contender] = {}
    try:
        for norm, config in by_norm.items():
            arguments = (config, precision, plan.device, plan.steps)
            contenders[norm] = Contender(norm, plan.device, plan.threads, training_laps, *arguments)
        for norm, config in by_norm.items() if plan.plain else ():
            if norm != WITHOUT or config is not bare:
                name = _plain(norm)
                contenders[name] = Contender(
                    name, plan.device, plan.threads, plain_laps, config, plan.device, plan.steps
                )
        contenders[MACHINE] = Contender(MACHINE, plan.device, plan.threads, ceilings, plan.device)
        for contender in contenders.values():
            contender.wait_until_ready()
        turns = {name: contender.measure for name, contender in contenders.items()}
        rounds = []
        for measured in rounds_in_turn(turns, plan.rounds, WARM_UP):
            rounds.append(measured)
            say(f"round {len(rounds)} of {plan.rounds}")
        peaks = {name: contender.finish() for name, contender in contenders.items()}
    finally:
        for contender in contenders.values():
            contender.kill()

    def timed(norm: str, name: str) -> Timed:
        label = norm_label(norm, by_norm[norm].norm.options)
        return Timed(norm, label, macs[norm], tuple(measured[name] for measured in rounds), peaks[name])

    return Bench(
        norms=tuple(timed(norm, norm) for norm in by_norm),
        plain={norm: timed(norm, _plain(norm)) for norm in by_norm if _plain(norm) in contenders},
        ceilings=tuple(measured[MACHINE] for measured in rounds),
        device=plan.device.type,
        precision=precision,
    )


def _plain(norm: str) -> str:
    return f"the plain loop with {norm}"

"""Puts checkpoints of strangers before runs: each is refused, or the run ends with a record that can be read.

    python -m tests.robustness.checkpoints [--files 2000] [--seed 0]

Takes the checkpoint of a real run, changes numbers, names, shapes and bytes in it, and seals it with a digest that is
right. Whatever is not refused is trained to its end. Prints the counts; exits with code 1 and the seed of the first
checkpoint that ended in anything else than a refusal or a readable record.
"""

import argparse
import math
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from normbench.config import Config, load_config
from normbench.data.dataset import Dataset
from normbench.data.load import load_dataset
from normbench.errors import Interrupted
from normbench.runs.build import build_network, build_optimizer, task_of
from normbench.runs.checkpoint import CheckpointError, from_bytes, sealed
from normbench.runs.checkpoint_fit import check_fits
from normbench.runs.epochs import columns
from normbench.runs.execute import train_run
from normbench.runs.folder import RunFolder
from normbench.runs.read import finished_record, read_epochs, read_predictions
from normbench.runs.registries import REGISTRIES
from normbench.runs.run_id import folder_of
from normbench.train.machine import Machine
from tests.checkpoints import DIGEST_BYTES, packed, unpacked
from tests.tiny import make_folder

CPU = torch.device("cpu")
HOSTILE: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 10**6, 2**63, 10**400, 0.0, 0.5, 5.0, -0.5, 1e-300, 1e38, 1e308, True, None),
    *("", "x", "\x1b[2J", "\ud800", "x" * 10_000, [], {}, [[]], {"a": {}}, [1] * 10_000),
)
VALUES = (0.0, 1.0, -1.0, 1e30, math.inf, math.nan)
SHAPES = ((), (1,), (3, 3), (16, 3, 3, 3), (10, 1000))
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool)


@dataclass(frozen=True)
class Victim:
    """A run, and the bytes of its own checkpoints."""

    config: Config
    folder: RunFolder
    dataset: Dataset
    checkpoints: list[bytes]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="checkpoints-"))
    victims = [make_victim(place, optimizer) for optimizer in ("muon", "sgd", "adam")]
    ends: Counter[str] = Counter()
    for number in range(chosen.files):
        rng = random.Random(chosen.seed * 1_000_000 + number)
        victim = rng.choice(victims)
        content = changed(rng.choice(victim.checkpoints), rng)
        try:
            ends[end_of(victim, content)] += 1
        except Exception:
            print(f"checkpoint {number} of --seed {chosen.seed}, see {place}", traceback.format_exc(), sep="\n")
            sys.exit(1)
        print(f"{number + 1} of {chosen.files}", end="\r", file=sys.stderr, flush=True)
    print(f"{chosen.files} checkpoints of strangers: none crashed, none lost its run")
    for name, count in ends.most_common():
        print(f"  {count:5}  {name}")
    shutil.rmtree(place)


def make_victim(place: Path, optimizer: str) -> Victim:
    """Trains a run, and keeps each of its checkpoints."""
    images = place / "images"
    if not images.exists():
        make_folder(images)
    settings = {
        "data.source": "folder",
        "data.dir": str(images),
        "train.epochs": 2,
        "train.batch_size": 20,
        "train.precision": "fp32",
        "train.optimizer.name": optimizer,
    }
    config = load_config("default", REGISTRIES, [(key, value, f"--set {key}") for key, value in settings.items()])
    config = config.for_seed(0)
    folder, dataset = folder_of(config, place / "results"), load_dataset(config.data)
    checkpoints: list[bytes] = []

    def keep(event: object) -> None:
        if folder.checkpoint.exists():
            checkpoints.append(folder.checkpoint.read_bytes())

    train_run(config, folder, dataset, Machine(CPU), pictures=False, report=keep)
    return Victim(config, folder, dataset, list(dict.fromkeys(checkpoints)))


def changed(content: bytes, rng: random.Random) -> bytes:
    """The checkpoint with one to three changes."""
    if rng.random() < 0.1:
        inner = bytearray(content[:-DIGEST_BYTES])
        inner[rng.randrange(min(len(inner), 20_000))] ^= 1 << rng.randrange(8)  # mostly in the header
        return sealed(bytes(inner[: rng.choice([len(inner), rng.randrange(len(inner))])]))
    tensors, text = unpacked(content)
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.6:
            change_text(text, rng)
        else:
            change_tensors(tensors, rng)
    try:
        return packed(tensors, text)
    except (ValueError, RuntimeError, UnicodeError):  # not even safetensors takes it
        return content


def change_text(text: dict[str, Any], rng: random.Random) -> None:
    """Replaces, removes or adds a value anywhere in the JSON."""
    at: Any = text
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return
        key = rng.choice(keys)
        if not isinstance(at[key], dict | list) or rng.random() < 0.2:
            break
        at = at[key]
    match rng.randrange(4):
        case 0:
            del at[key]
        case 1 if isinstance(at, dict):
            at[rng.choice(["x", "", "\x1b", "k" * 1000])] = rng.choice(HOSTILE)
        case _:
            at[key] = rng.choice(HOSTILE)


def change_tensors(tensors: dict[str, Tensor], rng: random.Random) -> None:
    """Replaces, removes, renames or fills a tensor."""
    name = rng.choice(sorted(tensors))
    tensor = tensors[name]
    match rng.randrange(5):
        case 0:
            del tensors[name]
        case 1:
            tensors[f"optimizer.{rng.randrange(-1, 99)}.{rng.choice(['momentum_buffer', 'step', 'x'])}"] = (
                tensor.clone()
            )
        case 2:
            tensors[name] = torch.zeros(rng.choice(SHAPES), dtype=rng.choice(DTYPES))
        case 3:
            tensors[name] = tensor.to(rng.choice(DTYPES))
        case _ if tensor.is_floating_point():
            tensors[name] = torch.full_like(tensor, rng.choice(VALUES))


def end_of(victim: Victim, content: bytes) -> str:
    """What became of the checkpoint. Raises whatever should not have happened."""
    config, folder = victim.config, victim.folder
    try:
        checkpoint = from_bytes(content, CPU)
        model = build_network(config, task_of(victim.dataset))
        check_fits(
            checkpoint,
            model,
            build_optimizer(config, model),
            epochs=config.train.epochs,
            batch_size=config.train.batch_size,
            num_images=len(victim.dataset.train),
            columns=columns(config.data.evaluate_on),
        )
    except CheckpointError as error:
        assert len(str(error).splitlines()) == 1, str(error)
        assert len(str(error)) < 1000, str(error)
        return "refused"
    if checkpoint.run != folder.path.name or checkpoint.fingerprint != victim.dataset.inputs_id:
        return "of another run or other data: refused"
    folder.clear()
    folder.checkpoint.write_bytes(content)
    try:
        record = train_run(config, folder, victim.dataset, Machine(CPU), pictures=False)
    except Interrupted:
        raise AssertionError("stopped") from None
    assert record == finished_record(folder, victim.dataset.fingerprint)
    if record.diverged:
        return "trained until it diverged, and recorded"
    read_epochs(folder, record)
    read_predictions(folder, record)
    return "trained to its end, and recorded"


if __name__ == "__main__":
    main()

"""Puts damaged and hostile data before the loader: each is refused in a sentence, or read as a data set that is right.

    python -m tests.robustness.data_files [--files 1000] [--seed 0] [--only cache]

Changes bytes, names, shapes and metadata of image folders, archives of CIFAR-10 whose checksums agree with the changed
content, NumPy archives and cache files. A changed cache file must never change what is loaded. Prints the counts; exits
with code 1 and the number of the first file that ended in anything else.
"""

import argparse
import io
import json
import random
import shutil
import struct
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save, save_file

from normbench.config import DataConfig
from normbench.data.dataset import Dataset, RawData, fingerprint
from normbench.data.load import load_dataset
from normbench.errors import ConfigError, DataError
from tests import tiny_cifar10
from tests.robustness.entry import time_limit
from tests.tiny import make_folder

LIMIT_S = 20.0
LONGEST = 1500
WORDS = ("", "x", "\x1b[2J", "\ud800", "../../x", "x" * 10_000, "0", "-1", "[]", "null", "1e999", "é")
NUMBERS = (0, 1, -1, 2, 255, 256, 2**31 - 1, 2**31, 2**63 - 1, 2**64 - 1)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MODES = ("RGB", "L", "RGBA", "P", "1", "CMYK", "I;16", "F")

Put = Callable[[Path, random.Random], DataConfig]
"""Makes changed data below a folder, and says where they are."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", choices=["", *KINDS])
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="data-files-"))
    make_folder(place / "whole", 4, 2)
    for kind in [chosen.only] if chosen.only else KINDS:
        ends: Counter[str] = Counter()
        for number in range(chosen.files):
            rng = random.Random(f"{kind} {chosen.seed} {number}")
            try:
                ends[end_of(kind, place, rng)] += 1
            except BaseException:
                print(f"{kind} {number} of --seed {chosen.seed}, see {place}", traceback.format_exc(), sep="\n")
                sys.exit(1)
            print(f"{kind}: {number + 1} of {chosen.files}", end="\r", file=sys.stderr, flush=True)
        print(f"{kind}: {chosen.files} changed, none crashed, none was read wrongly:", dict(ends.most_common()))
    shutil.rmtree(place)


def end_of(kind: str, place: Path, rng: random.Random) -> str:
    """What became of the data. Raises whatever should not have happened."""
    here = place / "here"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    with pytest.MonkeyPatch.context() as patch, time_limit(LIMIT_S):
        if kind == "cache":
            return _end_of_cache(place / "whole", here / "cache", rng)
        config = (_cifar(patch) if kind == "cifar10" else KINDS[kind])(here, rng)
        try:
            first = load_dataset(config, here / "cache", bar=False)
        except (DataError, ConfigError) as error:
            return _refused(error)
        _check(first)
        again = load_dataset(config, here / "cache", bar=False)
        assert again.fingerprint == first.fingerprint
        return "read"


def _refused(error: Exception) -> str:
    assert len(str(error)) < LONGEST, str(error)[:LONGEST]
    return "refused"


def _check(dataset: Dataset) -> None:
    """A data set that training can take, with a fingerprint that is right."""
    assert dataset.fingerprint == fingerprint(RawData(dataset.train, dataset.test, dataset.class_names))
    for split in (dataset.train, dataset.test):
        assert split.images.dtype == torch.uint8
        assert split.images.shape[1:] == dataset.image_shape
        assert 0 <= int(split.labels.min()) <= int(split.labels.max()) < len(dataset.class_names)


def _end_of_cache(whole: Path, cache: Path, rng: random.Random) -> str:
    """A cache file that was changed is found out: what is loaded is what its images are."""
    config = DataConfig(source="folder", dir=str(whole))
    right = load_dataset(config, cache, bar=False)
    (file,) = cache.glob("*.safetensors")
    _change_cache(file, rng)
    changed = file.stat().st_ino
    found = load_dataset(config, cache, bar=False)
    assert found.fingerprint == right.fingerprint
    assert found.class_names == right.class_names
    _check(found)
    (file,) = cache.glob("*.safetensors")
    assert load_dataset(config, cache, bar=False).fingerprint == right.fingerprint
    return "read all the same" if file.stat().st_ino == changed else "made anew"


def _change_cache(file: Path, rng: random.Random) -> None:
    if rng.random() < 0.4:
        file.write_bytes(_harmed(file.read_bytes(), rng))
        return
    with safe_open(file, "pt") as content:
        tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118  (it is no dict)
        metadata = dict(content.metadata())
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.6:
            metadata[rng.choice([*metadata, "x"])] = rng.choice([*WORDS[:3], *WORDS[4:], json.dumps(["a"] * 3)])
            continue
        name = rng.choice(sorted(tensors))
        kinds = [torch.uint8, torch.int64, torch.float32, torch.bool]
        shape = rng.choice([(), (0,), (12,), (12, 3, 32, 32), (6, 3, 32, 32), (12, 3, 8, 8), (12, 1, 32, 32)])
        tensors[name] = torch.full(shape, rng.choice([0, 1, -1, 99]), dtype=torch.int64).to(rng.choice(kinds))
    try:
        save_file(tensors, file, metadata)
    except Exception:  # not even safetensors takes it
        file.write_bytes(save(tensors))


def _folder(here: Path, rng: random.Random) -> DataConfig:
    root = make_folder(here / "images", 4, 2)
    for _ in range(rng.randint(1, 4)):
        file = rng.choice(sorted(root.rglob("*.png")))
        match rng.randrange(6):
            case 0 | 1:
                file.write_bytes(_harmed(file.read_bytes(), rng))
            case 2:
                file.write_bytes(_image(rng))
            case 3:
                file.write_bytes(_png(rng))
            case 4:
                endings = [".txt", ".PNG", "", ".jpg", ".webp", ".png.png", ".gif"]
                file.rename(file.with_name(rng.choice(["a", "é", " ", "x" * 200, "._x"]) + rng.choice(endings)))
            case _:
                wrong = file.with_name(rng.choice(["@eaDir", "x", ".x", "New folder"]))
                wrong.mkdir(exist_ok=True)
                file.rename(wrong / file.name)
    return DataConfig(source="folder", dir=str(root))


def _image(rng: random.Random) -> bytes:
    """A picture of any format, mode and size."""
    size = rng.choice([(32, 32), (32, 31), (1, 1), (28, 28), (64, 64), (2000, 3)])
    out = io.BytesIO()
    try:
        Image.new(rng.choice(MODES), size).save(out, rng.choice(FORMATS))
    except (OSError, KeyError, ValueError):  # no file of this format can hold this mode
        return b""
    return out.getvalue()


def _png(rng: random.Random) -> bytes:
    """A PNG whose header says something else than its pixels."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32)).save(out, "PNG")
    content = bytearray(out.getvalue())
    struct.pack_into(">I", content, rng.choice([16, 20]), rng.choice(NUMBERS) % 2**32)
    content[24 + rng.randrange(5)] = rng.randrange(256)
    return bytes(content)


def _cifar(monkeypatch: pytest.MonkeyPatch) -> Put:
    """Archives whose checksums agree with their content, so that the reader of batches sees it."""

    def put(here: Path, rng: random.Random) -> DataConfig:
        files, _, _ = tiny_cifar10.batch_files(2, rng.randrange(9))
        for name in rng.sample(sorted(files), rng.randint(1, 3)):
            files[name] = _harmed(files[name], rng)
        if rng.random() < 0.2:
            files[rng.choice(["../x", "/x", "x\n", rng.choice(sorted(files))])] = b"x"
        packed = tiny_cifar10.packed(files)
        if rng.random() < 0.3:
            packed = _harmed(packed, rng)
        tiny_cifar10.pretend(monkeypatch, files, packed)
        return DataConfig(source="cifar10", dir=str(tiny_cifar10.write_archive(here / "cifar", packed)))

    return put


def _npz(here: Path, rng: random.Random) -> DataConfig:
    random_numbers = np.random.default_rng(rng.randrange(9))
    arrays: dict[str, Any] = {}
    for split, count in (("train", 12), ("test", 6)):
        arrays[f"x_{split}"] = random_numbers.integers(0, 256, (count, 32, 32, 3), np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % 3
    for _ in range(rng.randint(0, 2)):
        name = rng.choice([*arrays, "z", "classes", "x_val"])
        shape = rng.choice([(), (0,), (12,), (12, 1), (12, 32, 32), (12, 3, 32, 32), (6, 5, 5, 5), (1, 1, 1, 1)])
        dtype = rng.choice(["u1", "i8", "f4", "f8", "U5", "S3", "?", "c8", "M8[s]", "V4", ">u2"])
        arrays[name] = np.full(shape, rng.choice([0, 1, 255]), "u1").astype(dtype)
    path = here / "data.npz"
    np.savez(path, **arrays)
    if rng.random() < 0.7:
        path.write_bytes(_harmed(path.read_bytes(), rng))
    return DataConfig(source="npz", dir=str(path))


def _harmed(content: bytes, rng: random.Random) -> bytes:
    """The bytes with one to four of them changed, a number among them replaced, or a part cut out or doubled."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not changed:
            break
        at = rng.randrange(len(changed) if rng.random() < 0.5 else min(len(changed), 200))
        match rng.randrange(6):
            case 0 | 1:
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                number = struct.pack(rng.choice(["<q", ">q"]), (rng.choice(NUMBERS) + 2**63) % 2**64 - 2**63)
                changed[at : at + 8] = number
            case 3:
                del changed[at : at + rng.choice([1, 8, 1000, len(changed)])]
            case 4:
                changed[at:at] = changed[at : at + rng.choice([1, 8, 1000])]
            case _:
                changed[at:at] = rng.choice(WORDS).encode(errors="surrogatepass")
    return bytes(changed)


KINDS: dict[str, Put | None] = {"cache": None, "folder": _folder, "cifar10": None, "npz": _npz}


if __name__ == "__main__":
    main()

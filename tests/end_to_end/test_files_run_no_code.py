"""No file that normbench reads can run code: each reader gets every kind of file that could, and nothing runs."""

import ast
import io
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import normbench
from normbench.config import DataConfig
from normbench.data.load import load_dataset
from normbench.errors import NormbenchError
from normbench.runs.checkpoint import Checkpoint, CheckpointError, from_bytes, sealed
from tests import tiny_cifar10 as tiny
from tests.records import make_record, write_run
from tests.tiny import invoke, make_folder

PACKAGE = Path(normbench.__file__).parent


class Makes:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.folder,)


def saved(save: Callable[..., object], *arguments: object, **options: object) -> bytes:
    out = io.BytesIO()
    save(*([out, *arguments] if save in (np.save, np.savez) else [*arguments, out]), **options)
    return out.getvalue()


def array_of(folder: Path) -> np.ndarray:
    array = np.empty(2, dtype=object)
    array[:] = [Makes(folder)] * 2
    return array


def checkpoint_of(folder: Path) -> dict[str, object]:
    return {field.name: Makes(folder) for field in fields(Checkpoint)}


def yaml_of(folder: Path, tag: str) -> bytes:
    return f"norm: &evil !!python/{tag} ['{folder}']\n? *evil\n: *evil\n".encode()


Attack = Callable[[Path], bytes]
ATTACKS: dict[str, tuple[Attack, Callable[[bytes], object]]] = {
    "pickle": (lambda made: pickle.dumps(Makes(made)), pickle.loads),
    "text pickle": (lambda made: pickle.dumps({b"data": Makes(made), b"labels": []}, protocol=0), pickle.loads),
    "torch archive": (
        lambda made: saved(torch.save, checkpoint_of(made)),
        lambda content: torch.load(io.BytesIO(content), weights_only=False),
    ),
    "old torch file": (
        lambda made: saved(torch.save, checkpoint_of(made), _use_new_zipfile_serialization=False),
        lambda content: torch.load(io.BytesIO(content), weights_only=False),
    ),
    "npy of objects": (
        lambda made: saved(np.save, array_of(made)),
        lambda content: np.load(io.BytesIO(content), allow_pickle=True),
    ),
    "npz of objects": (
        lambda made: saved(np.savez, labels=array_of(made), logits=array_of(made)),
        lambda content: np.load(io.BytesIO(content), allow_pickle=True)["labels"],
    ),
    "yaml apply": (lambda made: yaml_of(made, "object/apply:os.mkdir"), yaml.unsafe_load),
    "yaml new": (lambda made: yaml_of(made, "object/new:os.mkdir"), yaml.unsafe_load),
    "python": (lambda made: f"__import__('os').mkdir({str(made)!r})".encode(), lambda content: eval(content)),  # noqa: S307
}
"""A file that makes the folder it is given, and the careless reader for which it does."""

RUN_FILES = ("run.json", "config.yaml", "metrics.csv", "predictions.npz", "../tuning.json", "../decisions.json")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Path]:
    """A folder that an attack makes if its code runs; a test fails if the folder is there at its end."""
    folder = tmp_path / "made by a file"
    yield folder
    assert not folder.exists()


@pytest.fixture(autouse=True)
def _inside_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


each_attack = pytest.mark.parametrize("attack", [attack for attack, _ in ATTACKS.values()], ids=ATTACKS)


def check(*arguments: object) -> str:
    """Runs the command line; it may succeed or refuse, but not fail by accident. Returns all that it said."""
    result = invoke(*arguments)
    assert result.exception is None or isinstance(result.exception, NormbenchError), repr(result.exception)
    return f"{result.output}\n{result.exception or ''}"


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attacks_are_live(name: str, tmp_path: Path) -> None:
    attack, read_carelessly = ATTACKS[name]
    with suppress(FileExistsError, TypeError, yaml.YAMLError):  # it runs twice, or what it gives is no key
        read_carelessly(attack(tmp_path / "made"))
    assert (tmp_path / "made").is_dir()


@each_attack
def test_configs(attack: Attack, made: Path, tmp_path: Path) -> None:
    config, beside = tmp_path / "evil.yaml", tmp_path / "extends.yaml"
    config.write_bytes(attack(made))
    beside.write_text("extends: evil.yaml\n")
    for path in (config, beside):
        assert "evil.yaml" in check("summary", "--config", path)
        assert "evil.yaml" in check("sweep", path, "--dry-run", "--data", "folder", "--data-dir", tmp_path)


@pytest.mark.parametrize("tag", ["object/apply:os.mkdir", "object/new:os.mkdir", "name:os.mkdir"])
def test_settings(tag: str, made: Path) -> None:
    for key in ("norm.eps", "data.augment", "sweep.norm"):
        command = ("sweep", "seeds", "--dry-run") if key == "sweep.norm" else ("summary",)
        assert "the tag" in check(*command, "--set", f"{key}=!!python/{tag} ['{made}']")


@each_attack
@pytest.mark.parametrize("ending", ["npy", "yaml"])
def test_tensors(attack: Attack, ending: str, made: Path, tmp_path: Path) -> None:
    path = tmp_path / f"evil.{ending}"
    path.write_bytes(attack(made))
    assert str(path) in check("explain", "tensor", path)


@each_attack
def test_images(attack: Attack, made: Path, tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", 1, 1)
    for name in ("train/cat/000.png", "test/dog/evil.jpg"):
        (images / name).write_bytes(attack(made))
    said = check("train", "--data", "folder", "--data-dir", images)
    assert "000.png: unreadable image" in said
    assert "evil.jpg: unreadable image" in said


@each_attack
def test_arrays(attack: Attack, made: Path, tmp_path: Path) -> None:
    evil, within = tmp_path / "evil.npz", tmp_path / "within.npz"
    evil.write_bytes(attack(made))
    with zipfile.ZipFile(within, "w") as archive:
        for name in ("x_train", "y_train"):
            archive.writestr(f"{name}.npy", attack(made))
    for path in (evil, within):
        assert str(path) in check("train", "--data", "npz", "--data-dir", path)


@each_attack
@pytest.mark.parametrize("batch", ["data_batch_1", "batches.meta"])
def test_cifar10_batches_even_with_the_right_hash(
    attack: Attack, batch: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**tiny.batch_files(per_batch=1)[0], batch: attack(made)}
    content = tiny.packed(files)
    extracted = tmp_path / "cifar-10-batches-py"
    extracted.mkdir()
    for name, pickled in files.items():
        (extracted / name).write_bytes(pickled)
    tiny.pretend(monkeypatch, files, content)
    for place in (tiny.write_archive(tmp_path / "data", content), extracted):
        said = check("train", "--data", "cifar10", "--data-dir", place)
        assert batch in said
        assert "not a CIFAR batch" in said
    monkeypatch.undo()
    assert "MD5 is" in check("train", "--data", "cifar10", "--data-dir", extracted)


@each_attack
def test_the_cache(attack: Attack, made: Path, tmp_path: Path, said: list[str]) -> None:
    images = make_folder(tmp_path / "images", 1, 1)
    config = DataConfig(source="folder", dir=str(images))
    first = load_dataset(config, tmp_path / "cache", bar=False)
    (file,) = tmp_path.glob("cache/*.safetensors")
    file.write_bytes(attack(made))
    for times_said in (1, 1):  # mended the first time
        assert load_dataset(config, tmp_path / "cache", bar=False).fingerprint == first.fingerprint
        assert sum(f"{file}: damaged" in line for line in said) == times_said


@each_attack
def test_checkpoints(attack: Attack, made: Path) -> None:
    for content in (attack(made), sealed(attack(made))):
        with pytest.raises(CheckpointError):
            from_bytes(content, torch.device("cpu"))


@each_attack
@pytest.mark.parametrize("name", RUN_FILES)
def test_files_of_a_run(attack: Attack, name: str, made: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "results", make_record("bn", data__num_eval=2))
    other = write_run(tmp_path / "results", make_record("gn", data__num_eval=2))
    for folder in (run, other):
        np.savez(folder / "predictions.npz", labels=np.array([0, 1]), logits=np.eye(2, dtype=np.float16))
        (folder / "metrics.csv").write_text("epoch,train_s,test_accuracy\n1,1.0,0.9\n")
    if name == "config.yaml":
        (run / "run.json").unlink()
    (run / name).write_bytes(attack(made))
    tables = ("--calibration", "--per-class", "--to-accuracy", 80, "--runs", "--full", "--format", "json")
    said = check("compare", tmp_path / "results", *tables)
    assert Path(name).name in said or name == "config.yaml"
    check("compare", "--mcnemar", run, other)


READERS = {
    "bench/busy.py": {"subprocess.Popen"},  # a program of its own, which reads nothing
    "config/experiment/axes.py": {"json.loads"},  # of what it has just written itself
    "config/files.py": {"read_text"},
    "analysis/values/read.py": {"json.loads", "read_regular"},  # plain text, and Parquet by pyarrow
    "data/cache.py": {"open_regular", "json.loads"},
    "data/tensor_bytes.py": {"load", "json.loads"},
    "data/tensor_file.py": {"json.loads"},
    "data/also_test.py": {"open_regular"},  # by the reader of arrays
    "data/sources/arrays.py": {"np.frombuffer"},
    "data/sources/cifar_binary.py": {"np.frombuffer"},
    "data/sources/cifar_files.py": {"open_regular", "read_regular", "tarfile.open"},
    "data/sources/cifar_pickle.py": {"_Unpickler().load", "np.frombuffer"},
    "data/download.py": {"urlopen"},  # bytes, kept once their MD5 is right
    "data/sources/recognize.py": {"gzip.open", "tarfile.open"},  # names for an error message
    "data/sources/csv_table.py": {"read_regular"},  # tests/data/sources/test_csv_folder.py
    "data/sources/decode.py": {"read_image"},
    "data/sources/folder.py": {"read_regular"},
    "data/sources/image_file.py": {"Image.open"},
    "data/memory.py": {"CGROUP_LIMIT.read_text"},
    "data/sources/idx.py": {"np.frombuffer"},
    "data/sources/npz.py": {"archive.open", "open_regular", "self.archive.open"},
    "data/sources/parquet.py": {"json.loads", "open_regular"},  # tests/data/sources/test_parquet.py
    "data/sources/torchvision_sets.py": {"gzip.open", "loadmat", "read_regular"},  # once its MD5 is the official one
    "data/sources/synthetic.py": {"np.frombuffer"},  # random numbers of its own
    "files.py": {"os.open", "os.fdopen", "open_regular"},
    "explain/tensor_input.py": {"path.open", "np.load", "read_text"},
    "kernels/build.py": {"file.read_bytes", "cpuinfo.read_bytes", "subprocess.run"},
    "kernels/library.py": {"path.read_bytes", "read_regular"},  # tests/kernels/test_library.py
    # What it compiles, and then what it measured: tests/kernels/test_probe.py
    "kernels/probe.py": {"().read_bytes", "json.loads", "read_regular", "subprocess.run"},
    "deferred.py": {"import_module"},  # modules of the package, named in its registries
    # Code, by the user's own wish: tests/end_to_end/test_plugins.py
    "plugins/load.py": {"entry.load", "file.read_bytes", "import_module", "path.read_bytes"},
    "plugins/registry.py": {"load"},
    "plugins/source.py": {"path.read_bytes"},
    "plots/settings.py": {"os.open"},  # the current folder, to come back to it
    "runs/also_test.py": {"load", "read_regular"},  # safetensors
    "runs/environment.py": {"Path().read_text", "cpuinfo.read_text", "subprocess.run"},  # of this machine; git
    "present/page/page.py": {"STYLE.read_text"},  # a file of the package
    "runs/schema.py": {"json.loads"},
    "runs/unfinished.py": {
        "json.loads",
        "open_regular",
        "read_regular",
        "read_text",
    },  # of a run without a record
    "runs/checkpoint_fit.py": {"json.loads"},  # of what it has just written itself
    "runs/checkpoints.py": {"read_regular"},
    "runs/read.py": {"np.load", "open_regular", "read_regular"},
    "sweeps/node.py": {"Path().read_text", "read_regular"},  # of this machine; text that is only compared
    "train/allocator.py": {"ctypes.CDLL"},  # the C library that Python itself runs on
    "cli/streams.py": {"open", "os.open"},  # the null device
    "config/yaml.py": {"open_regular"},
}
"""Every call in the package that reads what comes from outside. All are attacked above unless it says why not."""

READING = {"open", "fdopen", "open_regular", "read_text", "read_bytes", "read_regular", "read_image", "urlopen"}
READING |= {"load", "loads", "safe_open", "load_file", "safe_load", "full_load", "memmap", "fromfile", "frombuffer"}
READING |= {"loadmat", "loadtxt", "genfromtxt"}
READING |= {"import_module", "__import__", "CDLL"}  # eval and exec: ruff sees to them


def is_reader(call: ast.Call, name: str) -> bool:
    writes = any(isinstance(word, ast.Constant) and word.value in ("w", "wb", "x", "xb", "r+b") for word in call.args)
    return not writes and (name.startswith("subprocess.") or name.rpartition(".")[2] in READING)


def test_there_are_no_other_readers() -> None:
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = re.sub(r"\(.*\)", "()", ast.unparse(node.func))
                if is_reader(node, name):
                    found.setdefault(str(path.relative_to(PACKAGE)), set()).add(name)
    assert found == READERS, "a new reader needs its attack in this file"


def test_a_run_with_an_evil_checkpoint_starts_from_the_beginning(made: Path, tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", 1, 1)
    command = ("train", "--data", "folder", "--data-dir", images, "--epochs", 1, "--set", "train.precision=fp32")
    check(*command)
    (record,) = tmp_path.rglob("run.json")
    first = (record.parent / "metrics.csv").read_text().splitlines()[1].split(",")[:6]
    shutil.rmtree(record.parent)
    record.parent.mkdir()
    (record.parent / "checkpoint.safetensors").write_bytes(sealed(saved(torch.save, checkpoint_of(made))))
    assert "checkpoint.safetensors is damaged" in check(*command)
    assert (record.parent / "metrics.csv").read_text().splitlines()[1].split(",")[:6] == first

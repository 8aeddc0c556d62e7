"""The cache of decoded images: read if right, rebuilt if not, done without if it cannot be written."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from normbench.data.cache import FORMAT, load_cached
from normbench.data.dataset import RawData, Split, fingerprint
from normbench.data.sources.source import SourceInput
from normbench.errors import DataError
from tests.tiny_splits import NAMES, make_raw


@dataclass
class Input:
    """A source that counts how often it is read."""

    folder: Path
    said: list[str]
    identity: str = "one"
    reads: int = 0

    def read(self) -> RawData:
        self.reads += 1
        return make_raw()

    def load(self) -> tuple[RawData, str]:
        return load_cached("folder", SourceInput("slot", lambda: self.identity, self.read), self.folder)

    @property
    def file(self) -> Path:
        return self.folder / "slot.safetensors"


@pytest.fixture
def input(tmp_path: Path, said: list[str]) -> Input:
    return Input(tmp_path / "cache", said)


def same(a: tuple[RawData, str], b: tuple[RawData, str]) -> bool:
    (raw, digest), (other, other_digest) = a, b
    pairs = zip(tensors_of(raw), tensors_of(other), strict=True)
    return digest == other_digest and raw.class_names == other.class_names and all(torch.equal(*p) for p in pairs)


def tensors_of(raw: RawData) -> list[torch.Tensor]:
    return [tensor for split in raw.splits.values() for tensor in (split.images, split.labels)]


def test_is_read_once_and_comes_back_the_same(input: Input) -> None:
    first, second = input.load(), input.load()
    assert input.reads == 1
    assert input.said == []
    assert same(first, second)
    raw, digest = second
    assert digest == fingerprint(make_raw())
    assert raw.train.images.dtype == torch.uint8
    assert raw.train.images.is_contiguous()
    assert [path.name for path in input.folder.iterdir()] == ["slot.safetensors"]
    with safe_open(input.file, framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["class_names"]) == list(NAMES)
    assert metadata["source"] == "folder"
    assert metadata["format"] == FORMAT


def test_what_is_read_may_be_written_to_without_touching_the_cache(input: Input) -> None:
    input.load()
    input.load()[0].train.images.zero_()
    assert input.load()[0].train.images.any()
    assert input.reads == 1


@pytest.mark.parametrize("change", ["overwritten", "cut off"])
def test_what_becomes_of_the_file_later_does_not_change_the_images(input: Input, change: str) -> None:
    """As if it were mapped into memory: then a run would train on other images, or crash."""
    input.load()
    dataset = input.load()
    with input.file.open("r+b") as file:
        size = input.file.stat().st_size
        file.truncate(0)
        if change == "overwritten":
            file.write(bytes(size))
    assert same(dataset, input.load())


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, **changes: str) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), **changes}
    save_file({key: value.clone() for key, value in load_file(path).items()}, path, metadata)


DAMAGE = {
    "a byte": flip_a_byte,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("this is not a safetensors file at all"),
    "foreign": lambda path: save_file({"weight": torch.zeros(3)}, path),
    "foreign with our name": lambda path: save_file({"x": torch.zeros(3)}, path, {"format": "1", "source": "folder"}),
    "no images": lambda path: save_file(
        {"x": torch.zeros(3)}, path, {"format": "1", "source": "folder", "identity": "one", "class_names": "[]"}
    ),
    "class names": lambda path: rewrite(path, class_names='["a", "c"]'),
    "class names of another kind": lambda path: rewrite(path, class_names="{"),
    "older format": lambda path: rewrite(path, format="0"),
    "other source": lambda path: rewrite(path, source="cifar10"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_said_and_rebuilt(input: Input, damage: str) -> None:
    first = input.load()
    DAMAGE[damage](input.file)
    assert same(input.load(), first)
    assert input.reads == 2
    assert any(str(input.file) in line for line in input.said)
    if damage != "a folder":  # cannot be replaced by a file: done without, each time
        assert len(input.said) == 1
        input.load()
        assert input.reads == 2


@pytest.mark.parametrize(
    ("names", "changes"),
    [
        (("a", "b\x1b[31m"), {}),
        (("a",), {}),
        ({"a": 0, "b": 1}, {}),
        (NAMES, {"labels": torch.tensor([0, -1])}),
        (NAMES, {"labels": torch.tensor([0.0, 1.0])}),
        (NAMES, {"images": torch.zeros(2, 2, 32, 32, dtype=torch.uint8)}),
        (NAMES, {"images": torch.zeros(2, 3, dtype=torch.uint8)}),
        (NAMES, {"images": torch.zeros(2, 3, 1, 1025, dtype=torch.uint8)}),
        (("a" * 10_000_000, "b"), {}),
        (5, {}),
        (NAMES, {"images": torch.zeros(0, 3, 32, 32, dtype=torch.uint8), "labels": torch.zeros(0, dtype=torch.int64)}),
    ],
)
def test_a_cache_whose_fingerprint_is_right_but_that_no_source_makes_is_rebuilt(
    input: Input, names: object, changes: dict[str, torch.Tensor]
) -> None:
    first = input.load()
    parts = {"images": torch.zeros(2, 3, 32, 32, dtype=torch.uint8), "labels": torch.tensor([0, 1])} | changes
    splits = [Split(parts["images"].clone(), parts["labels"].clone()) for _ in range(2)]
    with safe_open(input.file, "pt") as file:
        metadata = file.metadata()
    metadata |= {
        "class_names": json.dumps(names),
        "fingerprint": fingerprint(RawData(*splits, tuple(names) if names != 5 else ())),
    }
    tensors = {f"train.{key}": getattr(splits[0], key) for key in parts}
    save_file(tensors | {f"test.{key}": getattr(splits[1], key) for key in parts}, input.file, metadata)
    assert same(input.load(), first)
    assert "damaged" in input.said[0]


@pytest.mark.parametrize("splits", [{"test": None}, {"val": make_raw(1).test}])
def test_a_source_without_test_or_with_val_comes_back_the_same(
    input: Input, monkeypatch: pytest.MonkeyPatch, splits: dict[str, Split | None]
) -> None:
    monkeypatch.setattr(input, "read", lambda: replace(make_raw(), **splits))
    first, second = input.load(), input.load()
    assert same(first, second)
    assert list(second[0].splits) == (["train"] if "test" in splits else ["train", "test", "val"])
    assert second[1] != fingerprint(make_raw())


def test_a_changed_input_is_read_again(input: Input) -> None:
    input.load()
    input.identity = "two"
    input.load()
    input.load()
    assert input.reads == 2
    assert "changed" in input.said[0]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("")
    input = Input(tmp_path / "file" / "cache", said)
    assert len(input.load()[0].train) == 12
    input.load()
    assert input.reads == 2
    assert "cannot be written" in input.said[0]
    assert "NORMBENCH_CACHE" in input.said[0]


def test_a_file_for_which_there_is_no_room_leaves_nothing_behind(input: Input) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # bytes of any file that this process writes
    try:
        assert len(input.load()[0].train) == 12
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large" in input.said[0]
    assert not list(input.folder.iterdir())


def test_what_a_killed_process_left_is_removed(input: Input) -> None:
    """Also beside a whole file, which is then read without being made again."""
    for reads, left in ((1, "half"), (1, "half"), (2, None)):
        part = input.folder / "slot.part"
        if left:
            part.mkdir(parents=True)
            (part / ".tmp4WXRRt").write_text(left)
        else:
            input.file.unlink()
        assert len(input.load()[0].train) == 12
        assert [path.name for path in input.folder.iterdir()] == ["slot.safetensors"]
        assert input.reads == reads
    assert input.said == []


def test_a_source_that_fails_leaves_no_lock_held(input: Input, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> RawData:
        raise DataError("no such place")

    with monkeypatch.context() as patch:
        patch.setattr(input, "read", fail)
        with pytest.raises(DataError, match="no such place"):
            input.load()
    assert len(input.load()[0].train) == 12


def test_a_second_reader_waits_for_the_first(input: Input, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = Event(), Event()

    def slow() -> RawData:
        started.set()
        go_on.wait(60)
        return Input.read(input)

    monkeypatch.setattr(input, "read", slow)
    results: list[tuple[RawData, str]] = []
    threads = [Thread(target=lambda: results.append(input.load())) for _ in range(2)]
    threads[0].start()
    assert started.wait(60)
    threads[1].start()
    while not any("waiting" in line for line in input.said):
        threads[1].join(0.01)
        assert threads[1].is_alive()
    go_on.set()
    for thread in threads:
        thread.join()
    assert input.reads == 1
    assert same(*results)


@pytest.mark.skipif(os.name == "nt", reason="permissions of another kind")
def test_the_umask_decides_who_may_read_it(input: Input) -> None:
    old = os.umask(0o022)
    try:
        input.load()
    finally:
        os.umask(old)
    assert input.file.stat().st_mode & 0o777 == 0o644

"""The cache of decoded images: read when right, rebuilt when not, done without when it cannot be; and hold_out."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from normbench.data import SOURCES, Dataset, Split, hold_out, load_dataset
from normbench.data import cache as caching
from normbench.data.cache import load_cached
from normbench.data.dataset import fingerprint
from normbench.data.sources import synthetic
from normbench.data.sources.source import RawData, SourceInput
from normbench.errors import ConfigError, DataError

NAMES = ("a", "bé")


def make_raw(seed: int = 0) -> RawData:
    generator = torch.Generator().manual_seed(seed)
    train, test = (
        Split(torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator), torch.arange(n) % 2)
        for n in (12, 6)
    )
    return train, test, NAMES


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

    def load(self) -> Dataset:
        return load_cached("folder", SourceInput("slot", lambda: self.identity, self.read), self.folder)

    @property
    def file(self) -> Path:
        return self.folder / "slot.safetensors"


@pytest.fixture
def input(tmp_path: Path, said: list[str]) -> Input:
    return Input(tmp_path / "cache", said)


def same(a: Dataset, b: Dataset) -> bool:
    pairs = ((getattr(getattr(d, s), p) for d in (a, b)) for s in ("train", "test") for p in ("images", "labels"))
    return a.fingerprint == b.fingerprint and a.class_names == b.class_names and all(torch.equal(*p) for p in pairs)


def test_is_read_once_and_comes_back_the_same(input: Input) -> None:
    first, second = input.load(), input.load()
    assert input.reads == 1
    assert input.said == []
    assert same(first, second)
    assert second.source == "folder"
    assert second.fingerprint == fingerprint(*make_raw())
    assert second.train.images.dtype == torch.uint8
    assert second.train.images.is_contiguous()
    assert [path.name for path in input.folder.iterdir()] == ["slot.safetensors"]
    with safe_open(input.file, framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["class_names"]) == list(NAMES)
    assert metadata["source"] == "folder"
    assert metadata["format"] == caching.FORMAT


def test_what_is_read_may_be_written_to_without_touching_the_cache(input: Input) -> None:
    input.load()
    input.load().train.images.zero_()
    assert input.load().train.images.any()
    assert input.reads == 1


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
        (NAMES, {"images": torch.zeros(2, 1, 32, 32, dtype=torch.uint8)}),
        (NAMES, {"images": torch.zeros(2, 3, dtype=torch.uint8)}),
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
    metadata |= {"class_names": json.dumps(names), "fingerprint": fingerprint(*splits, tuple(names))}
    tensors = {f"train.{key}": getattr(splits[0], key) for key in parts}
    save_file(tensors | {f"test.{key}": getattr(splits[1], key) for key in parts}, input.file, metadata)
    assert same(input.load(), first)
    assert "damaged" in input.said[0]


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
    assert len(input.load().train) == 12
    input.load()
    assert input.reads == 2
    assert "cannot be written" in input.said[0]
    assert "NORMBENCH_CACHE" in input.said[0]


def test_a_full_disk_leaves_nothing_behind(input: Input, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching, "save_file", full)
    assert len(input.load().train) == 12
    assert "No space left" in input.said[0]
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
        assert len(input.load().train) == 12
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
    assert len(input.load().train) == 12


def test_a_second_reader_waits_for_the_first(input: Input, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = Event(), Event()

    def slow() -> RawData:
        started.set()
        go_on.wait(60)
        return Input.read(input)

    monkeypatch.setattr(input, "read", slow)
    results: list[Dataset] = []
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


def test_a_changed_image_file_changes_the_data_set(tmp_path: Path) -> None:
    config = SimpleNamespace(source="folder", dir=str(tmp_path / "images"), urls=())
    for split in ("train", "test"):
        (tmp_path / "images" / split / "a").mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "images" / split / "a" / "0.png")
    first = load_dataset(config, [].append, tmp_path / "cache")
    Image.new("RGB", (32, 32), (9, 9, 9)).save(tmp_path / "images" / "test" / "a" / "0.png")
    second = load_dataset(config, [].append, tmp_path / "cache")
    assert first.fingerprint != second.fingerprint
    assert second.test.images.unique().tolist() == [9]
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 1  # the old one is replaced, not kept for ever


def test_synthetic_goes_through_the_cache_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "NUM_TRAIN", 40)
    monkeypatch.setattr(synthetic, "NUM_TEST", 20)
    said: list[str] = []
    config = SimpleNamespace(source="synthetic", dir=None, urls=())
    first, second = (load_dataset(config, said.append, tmp_path) for _ in range(2))
    assert same(first, second)
    assert (len(first.train), len(first.test), len(first.class_names)) == (40, 20, 10)
    assert sum("synthetic" in line for line in said) == 1


def test_small_synthetic_is_the_beginning_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "NUM_TRAIN", 100)
    monkeypatch.setattr(synthetic, "NUM_TEST", 50)
    sources = ("synthetic", "synthetic-small")
    whole, small = (
        load_dataset(SimpleNamespace(source=source, dir=None, urls=()), print, tmp_path) for source in sources
    )
    assert (len(small.train), len(small.test)) == (20, 10)
    assert torch.equal(small.train.images, whole.train.images[:20])
    assert torch.equal(small.test.images, whole.test.images[:10])
    assert small.fingerprint != whole.fingerprint


def test_an_unknown_source_is_answered_with_the_known() -> None:
    with pytest.raises(ConfigError, match="did you mean 'cifar10'") as caught:
        load_dataset(SimpleNamespace(source="cifar", dir=None, urls=()))
    assert all(name in str(caught.value) for name in SOURCES)


def test_fingerprint_sees_order_labels_and_names() -> None:
    train, test, names = make_raw()
    swapped = Split(train.images.flip(0), train.labels)
    relabelled = Split(train.images, 1 - train.labels)
    prints = [
        fingerprint(t, test, n) for t, n in ((train, names), (swapped, names), (relabelled, names), (train, ("b", "a")))
    ]
    assert len({*prints, fingerprint(test, train, names)}) == 5


def numbered(labels: list[int]) -> Split:
    """Images whose pixels hold their own number."""
    images = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 32, 32).contiguous()
    return Split(images, torch.tensor(labels))


def test_hold_out_takes_the_same_number_of_each_class() -> None:
    split = numbered([0] * 20 + [1] * 10 + [2] * 15)
    train, val = hold_out(split, 13)
    assert val.labels.bincount().tolist() == [4, 4, 4]
    numbers = [part.images[:, 0, 0, 0].tolist() for part in (train, val)]
    assert sorted(numbers[0] + numbers[1]) == list(range(45))
    for part, kept in zip((train, val), numbers, strict=True):
        assert kept == sorted(kept)
        assert torch.equal(part.labels, split.labels[kept])
        assert part.images.is_contiguous()


def test_hold_out_is_fixed_by_its_seed() -> None:
    split = numbered([0, 1] * 40)
    first, again, other = (hold_out(split, 20, seed)[1].images[:, 0, 0, 0].tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(("labels", "num_images"), [([0, 0, 0, 1, 1], 4), ([0, 1], 5000), ([0, 1], 1), ([], 5)])
def test_hold_out_refuses_too_few(labels: list[int], num_images: int) -> None:
    with pytest.raises(DataError, match="cannot hold out"):
        hold_out(numbered(labels), num_images)

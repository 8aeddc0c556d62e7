"""The four versions of CIFAR-10 and CIFAR-100, each read from an extracted folder and from its archive."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from normbench.data.sources import cifar
from normbench.data.sources.cifar_archives import CIFAR10, CIFAR100, CIFAR100_COARSE
from normbench.data.sources.cifar_files import Archive, read_archive, read_extracted
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError
from tests import tiny_cifar10 as tiny

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3072), dtype=np.uint8)
FINE, COARSE = [2, 0, 1, 2, 1, 0], [1, 0, 0, 1, 0, 0]


def names(*words: str) -> bytes:
    return b"](" + b"".join(tiny.text(word.encode()) for word in words) + b"e"


def pickled_batch(start: int, end: int) -> bytes:
    labels = {b"fine_labels": FINE, b"coarse_labels": COARSE, b"labels": FINE}
    written = {key: tiny.integers(values[start:end]) for key, values in labels.items()}
    return tiny.pickled({b"data": tiny.array(IMAGES[start:end], by_columns=False), **written})


def records(start: int, end: int, labels: list[list[int]]) -> bytes:
    columns = [np.array(column[start:end], np.uint8)[:, None] for column in labels]
    return np.hstack([*columns, IMAGES[start:end]]).tobytes()


FINE_NAMES, COARSE_NAMES = ("apple", "baby", "bear"), ("fruit", "animal")
PICKLED_META = tiny.pickled({b"fine_label_names": names(*FINE_NAMES), b"coarse_label_names": names(*COARSE_NAMES)})
CONTENTS: dict[str, tuple[Archive, dict[str, bytes], list[int], tuple[str, ...]]] = {
    "CIFAR-10, binary": (
        replace(CIFAR10[1], train_files={"data_batch_1.bin": None}),
        {
            "data_batch_1.bin": records(0, 4, [FINE]),
            "test_batch.bin": records(4, 6, [FINE]),
            "batches.meta.txt": b"apple\nbaby\nbear\n\n",
        },
        FINE,
        FINE_NAMES,
    ),
    **{
        f"{archive.folder}, {word}": (
            archive,
            {"train": pickled_batch(0, 4), "test": pickled_batch(4, 6), "meta": PICKLED_META},
            labels,
            class_names,
        )
        for word, archive, labels, class_names in (
            ("fine", CIFAR100[0], FINE, FINE_NAMES),
            ("coarse", CIFAR100_COARSE[0], COARSE, COARSE_NAMES),
        )
    },
    **{
        f"{archive.folder}, {word}": (
            archive,
            {
                "train.bin": records(0, 4, [COARSE, FINE]),
                "test.bin": records(4, 6, [COARSE, FINE]),
                "fine_label_names.txt": b"apple\nbaby\nbear\n",
                "coarse_label_names.txt": b"fruit\nanimal\n",
            },
            labels,
            class_names,
        )
        for word, archive, labels, class_names in (
            ("fine", CIFAR100[1], FINE, FINE_NAMES),
            ("coarse", CIFAR100_COARSE[1], COARSE, COARSE_NAMES),
        )
    },
}


def as_official(archive: Archive, files: dict[str, bytes]) -> Archive:
    """The archive, if its official files were these."""
    packed = tiny.packed(files, archive.folder)
    return replace(
        archive,
        md5=tiny.md5(packed),
        size=len(packed),
        train_files={name: tiny.md5(files[name]) for name in archive.train_files},
        test_files={name: tiny.md5(files[name]) for name in archive.test_files},
        names_file=(archive.names_file[0], None),
        num_images=(4, 2),
    )


@pytest.mark.parametrize("version", CONTENTS)
@pytest.mark.parametrize("form", ["packed", "extracted"])
def test_each_version_is_read(version: str, form: str, tmp_path: Path) -> None:
    archive, files, labels, class_names = CONTENTS[version]
    official = as_official(archive, files)
    if form == "packed":
        path = tmp_path / archive.filename
        path.write_bytes(tiny.packed(files, archive.folder))
        raw = read_archive(path, official)
    else:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        raw = read_extracted(tmp_path, official)
    assert raw.class_names == class_names
    assert raw.train.labels.tolist() + raw.test.labels.tolist() == labels
    images = np.concatenate([raw.train.images.numpy(), raw.test.images.numpy()])
    assert np.array_equal(images.reshape(-1, 3072), IMAGES)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a whole number of records"),
        (records(0, 4, [FINE])[:-1], "not a whole number of records"),
        (records(0, 3, [FINE]), "3 and 2 images for training and test, expected 4 and 2"),
        (records(0, 4, [[3, 0, 1, 2]]), "a label is not one of 0 to 2"),
    ],
)
def test_a_binary_batch_that_is_not_whole_is_named(content: bytes, complaint: str, tmp_path: Path) -> None:
    archive, files, _, _ = CONTENTS["CIFAR-10, binary"]
    for name, written in {**files, "data_batch_1.bin": content}.items():
        (tmp_path / name).write_bytes(written)
    with pytest.raises(DataError, match=complaint) as caught:
        read_extracted(tmp_path, replace(archive, num_images=(4, 2)))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("source", [cifar.cifar10, cifar.cifar100, cifar.cifar100_coarse])
def test_the_version_is_the_one_in_the_place(source: Callable[[SourceRequest], SourceInput], tmp_path: Path) -> None:
    def found(*names: str) -> SourceInput:
        place = tmp_path / "-".join(names or ["empty"])
        for name in names:
            (place / name).parent.mkdir(parents=True)
            (place / name).touch()
        return source(SourceRequest(place, "data.dir", (), tmp_path, bar=False))

    title = "10" if source is cifar.cifar10 else "100"
    folder = "cifar-10-batches-bin/test_batch.bin" if title == "10" else "cifar-100-binary/train.bin"
    python = found()
    for name in (f"cifar-{title}-binary.tar.gz", folder):
        binary = found(name)
        assert (binary.slot, python.slot) == (f"{python.slot}-binary", python.slot)
        assert binary.identity() != python.identity()


def test_the_other_cifar_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").touch()
    with pytest.raises(DataError, match="it holds CIFAR-10;"):
        cifar.cifar100(SourceRequest(tmp_path, "data.dir", (), tmp_path, bar=False)).read()

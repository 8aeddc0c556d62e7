"""Images with their labels in a CSV: Kaggle's layout, one CSV for each split, a column that says the split."""

from pathlib import Path

import pytest
from PIL import Image

from normbench.data.dataset import RawData
from normbench.data.sources.csv_folder import csv_folder
from normbench.data.sources.source import SourceRequest
from normbench.errors import DataError


def images(folder: Path, *names: str) -> None:
    """An image for each name, told apart by its red."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (4, 4), (10 * number, 0, 0)).save(folder / name)


def table(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def read(place: Path) -> RawData:
    found = csv_folder(SourceRequest(place, "data.dir", (), place, bar=False))
    found.identity()
    return found.read()


def reds(raw: RawData) -> list[int]:
    return raw.train.images[:, 0, 0, 0].tolist()


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    """As Kaggle's CIFAR-10 is: ids without an extension, test images without labels, an example of a submission."""
    images(tmp_path / "train", "1.png", "2.png", "3.png", "10.png")
    images(tmp_path / "test", "1.png", "2.png")
    table(tmp_path / "trainLabels.csv", "id,label", "10,frog", "2,truck", "1,frog", "3,deer")
    table(tmp_path / "sampleSubmission.csv", "id,label", "1,cat", "2,cat")
    return tmp_path


def test_kaggles_layout(kaggle: Path, said: list[str]) -> None:
    raw = read(kaggle)
    assert raw.class_names == ("deer", "frog", "truck")
    assert raw.train.labels.tolist() == [1, 2, 1, 0]
    assert reds(raw) == [30, 10, 0, 20]  # in the order of the CSV
    assert raw.test is None
    assert any(f"left out images without a label: 2 in {kaggle / 'test'}" in line for line in said)
    assert csv_folder(SourceRequest(kaggle, "data.dir", (), kaggle, bar=False)).name == kaggle.name


def test_a_changed_label_and_a_changed_image_are_noticed(kaggle: Path) -> None:
    def identity() -> str:
        return csv_folder(SourceRequest(kaggle, "data.dir", (), kaggle, bar=False)).identity()

    before = identity()
    images(kaggle / "train", "1.png", "2.jpg")
    (kaggle / "train" / "2.png").unlink()
    changed = identity()
    table(kaggle / "trainLabels.csv", "id,label", "10,frog", "2,truck", "1,frog", "3,frog")
    assert len({before, changed, identity()}) == 3


def test_a_csv_for_each_split(tmp_path: Path) -> None:
    images(tmp_path / "train", "a.png", "b.PNG")
    images(tmp_path / "val", "a.png")
    images(tmp_path / "images_test", "a.png")
    for split, rows in {"train": ("a.png;0", "b.PNG;11"), "valid": ("a.png;0",), "test": ("a.png;11",)}.items():
        table(tmp_path / f"{split}.csv", "\ufeffFile Name;Class", *rows)
    raw = read(tmp_path)
    assert raw.class_names == ("0", "11")
    assert (raw.train.labels.tolist(), raw.val.labels.tolist(), raw.test.labels.tolist()) == ([0, 1], [0], [1])


def test_a_column_that_says_the_split(tmp_path: Path) -> None:
    images(tmp_path / "pictures" / "cats", "1.png", "2.png", "3.png")
    rows = ("train,0,cats/1.png", "test,1,cats/2.png", "train,1,cats/3.png", "test,,cats/9.png")
    path = table(tmp_path / "labels.csv", "split,label,path", *rows)
    for place in (tmp_path, path):
        raw = read(place)
        assert (raw.train.labels.tolist(), raw.test.labels.tolist()) == ([0, 1], [1])
        assert reds(raw) == [0, 20]


BAD = {
    "no image": (("id,label", "1,a", "9,b"), "labels.csv, line 3: no image '9' in .*images"),
    "no first image": (("id,label", "7,a", "1,b"), "labels.csv, line 2: no image '7' in "),
    "no file names": (("label,pixel0,pixel1", "1,0,0"), "labels.csv: no column of file names; its columns are label"),
    "no labels": (("id,colour", "1,a"), "labels.csv: no column of labels"),
    "nothing": ((), "labels.csv: no column of file names"),
    "no rows": (("id,label",), "labels.csv: no image in it has a label"),
    "too few values": (("id,label", "1,a", "2"), "labels.csv, line 3: 1 values, and the header names 2 columns"),
    "no name": (("id,label", ",a"), "labels.csv, line 2: no file name"),
    "twice": (("id,label", "1,a", "2,b", "1,b"), "labels.csv, line 4: the image '1' stands in line 2 too"),
    "out of the folder": (("id,label", "../1,a"), r"labels.csv, line 2: '../1' leads out of the folder"),
    "absolute": (("id,label", "/etc/passwd,a"), "labels.csv, line 2: '/etc/passwd' leads out of the folder"),
    "one class": (("id,label", "1,a", "2,a"), "only one class, 'a'"),
    "another split": (("id,label,split", "1,a,holiday"), "labels.csv, line 2: the split is 'holiday', expected train"),
    "no training": (("id,label,split", "1,a,test"), "the CSV names no training images"),
    "unknown class": (("id,label,split", "1,a,train", "2,b,train", "3,c,test"), "test images have the label 'c'"),
    "controls": (("id,label", "1,a\x1b[2J", "2,b"), r"the class 'a\\+x1b\[2J'|the class"),
}


@pytest.mark.parametrize(("lines", "complaint"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_named_with_its_line(lines: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    images(tmp_path / "images", "1.png", "2.png", "3.png")
    table(tmp_path / "labels.csv", *lines)
    with pytest.raises(DataError, match=complaint) as caught:
        read(tmp_path)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'id,label\n1,"a\n', b"id,label\n1,a\x00\n", b"x" * 200_000])
def test_a_file_that_is_no_csv_is_named(content: bytes, tmp_path: Path) -> None:
    images(tmp_path, "1.png")
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        read(tmp_path)


def test_which_csv_is_meant_must_be_clear(kaggle: Path) -> None:
    images(kaggle / "train", "1.jpg")
    with pytest.raises(DataError, match=r"line 4: '1' may be 1.jpg, 1.png in"):
        read(kaggle)
    table(kaggle / "others.csv", "id,label", "1,a")
    with pytest.raises(DataError, match=r"several CSVs have labels: others.csv, trainLabels.csv; name one"):
        read(kaggle)
    for path in kaggle.glob("*.csv"):
        path.unlink()
    with pytest.raises(DataError, match="no CSV is in it"):
        read(kaggle)


def test_an_image_that_cannot_be_read_is_named(kaggle: Path) -> None:
    (kaggle / "train" / "3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train/3.png: unreadable image"):
        read(kaggle)

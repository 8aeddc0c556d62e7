"""Encoded images in Parquet files: the Hub's layouts, and files of another form. Skipped without pyarrow."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from normbench.data.dataset import RawData
from normbench.data.sources.parquet import parquet
from normbench.data.sources.source import SourceRequest
from normbench.errors import DataError

NAMES = ["airplane", "automobile", "bird"]


def png(red: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (red, 0, 0)).save(out, "PNG")
    return out.getvalue()


def written(path: Path, columns: dict[str, Any], names: object = None) -> Path:
    """A Parquet file, with the metadata that the library `datasets` writes."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    content = pa.table(columns)
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        content = content.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, path)
    return path


def shard(path: Path, *reds: int, names: object = NAMES) -> Path:
    """As CIFAR-10 is on the Hub: an image of the class red // 10."""
    images = [{"bytes": png(red), "path": f"{red}.png"} for red in reds]
    return written(path, {"img": images, "label": [red // 10 for red in reds]}, names)


def read(place: Path) -> RawData:
    found = parquet(SourceRequest(place, "data.dir", (), place, bar=False))
    found.identity()
    return found.read()


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"),
        ("data/train-0-of-2-ab12.parquet", "data/train-1-of-2-ab12.parquet", "data/test-0-of-1-ab12.parquet"),
        ("plain_text/train/0000.parquet", "plain_text/train/0001.parquet", "plain_text/test/0000.parquet"),
    ],
)
def test_the_layouts_of_the_hub(names: tuple[str, ...], tmp_path: Path) -> None:
    for name, reds in zip(names, ((0, 10), (20, 1), (12,)), strict=True):
        shard(tmp_path / name, *reds)
    raw = read(tmp_path)
    assert raw.class_names == tuple(NAMES)
    assert raw.train.labels.tolist() == [0, 1, 2, 0]
    assert raw.train.images[:, 0, 0, 0].tolist() == [0, 10, 20, 1]
    assert raw.test.labels.tolist() == [1]


def test_one_file_has_the_training_images(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.parquet", {"image": [png(0), png(1), png(2)], "class": ["b", "a", "b"]})
    for place in (path, tmp_path):
        raw = read(place)
        assert raw.test is None
        assert (raw.class_names, raw.train.labels.tolist()) == (("a", "b"), [1, 0, 1])


@pytest.mark.parametrize("names", [None, "text", [1, 2], {"a": 1}])
def test_without_names_the_classes_are_the_labels(names: object, tmp_path: Path) -> None:
    assert read(shard(tmp_path / "a.parquet", 0, 10, names=names)).class_names == ("0", "1")


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    def refused(place: Path, complaint: str) -> None:
        with pytest.raises(DataError, match=complaint) as caught:
            read(place)
        assert str(place) in str(caught.value)

    refused(written(tmp_path / "a.parquet", {"x": [1], "y": [2]}), r"no column of images .* x \(int64\), y \(int64\)")
    refused(written(tmp_path / "b.parquet", {"img": [png(0)], "score": [0.5]}), "no column of labels")
    refused(written(tmp_path / "c.parquet", {"img": [png(0), None], "label": [0, 1]}), "row 1: no image")
    refused(written(tmp_path / "d.parquet", {"img": [png(0), png(1)], "label": [0, None]}), "row 1: no label")
    refused(written(tmp_path / "e.parquet", {"img": [png(0), b"no"], "label": [0, 1]}), "row 1: unreadable image")
    refused(shard(tmp_path / "f.parquet", 0, 30), "the label '3', which is none of the 3 classes")
    for content in (b"", b"PAR1", b"no", (tmp_path / "e.parquet").read_bytes()[:-20]):
        (tmp_path / "g.parquet").write_bytes(content)
        refused(tmp_path / "g.parquet", "cannot be read as a Parquet file")


def test_which_files_are_meant_must_be_clear(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no .parquet file in it"):
        read(tmp_path)
    shard(tmp_path / "one" / "train-0.parquet", 0, 10)
    shard(tmp_path / "two" / "train-0.parquet", 0, 10)
    with pytest.raises(DataError, match="several data sets, one, two: name one"):
        read(tmp_path)
    shard(tmp_path / "one" / "more.parquet", 0)
    with pytest.raises(DataError, match=r"more.parquet: its name says no split"):
        read(tmp_path / "one")
    shard(tmp_path / "two" / "test-0.parquet", 0, names=NAMES[::-1])
    with pytest.raises(DataError, match="other class names"):
        read(tmp_path / "two")
    (tmp_path / "two" / "train-0.parquet").unlink()
    with pytest.raises(DataError, match="no file for training"):
        read(tmp_path / "two")


def test_without_pyarrow_one_sentence_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'normbench\[parquet\]'"):
        read(tmp_path / "a.parquet")

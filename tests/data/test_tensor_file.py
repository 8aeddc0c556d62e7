"""Data sets in safetensors files: the library reads what is written, and nothing wrong is taken for a data set."""

import json
from io import BytesIO
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from normbench.data.tensor_file import read_tensors, write_tensors

TENSORS = {
    "train.images": torch.arange(2 * 3 * 5, dtype=torch.uint8).view(2, 3, 5, 1),
    "test.images": torch.zeros(0, 3, 5, 1, dtype=torch.uint8),
    "train.labels": torch.tensor([3, 2**40]),
}
METADATA = {"format": "2", "class_names": '["ä", "b"]'}


def written() -> bytes:
    file = BytesIO()
    write_tensors(file, TENSORS, METADATA)
    return file.getvalue()


def read(content: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    return read_tensors(BytesIO(content), len(content))


def equal(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


def test_the_library_and_this_module_read_each_others_files() -> None:
    assert equal(load(written()))
    for content in (written(), save(TENSORS, METADATA)):
        tensors, metadata = read(content)
        assert equal(tensors)
        assert metadata == METADATA
        tensors["train.images"].zero_()  # it has memory of its own


IMAGES: dict[str, Any] = {"dtype": "U8", "shape": [2, 3], "data_offsets": [0, 6]}


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F32"},
        {"dtype": ["U8"]},
        {"shape": [2, 2]},
        {"shape": [-2, -3]},
        {"shape": [2**70, 0], "data_offsets": [0, 0]},
        {"shape": [float("inf")]},
        {"shape": 6},
        {"data_offsets": [1, 7]},
        {"data_offsets": [6, 0]},
        {"data_offsets": [0, 5]},
        {"data_offsets": [0]},
        {"shape": [2**62], "data_offsets": [0, 2**62]},
    ],
)
def test_a_header_that_does_not_fit_is_refused_before_memory_is_taken(change: dict[str, Any]) -> None:
    def content(images: dict[str, Any], **header: Any) -> bytes:
        text = json.dumps({"__metadata__": METADATA, "images": images} | header).encode()
        return len(text).to_bytes(8, "little") + text + bytes(6)

    assert read(content(IMAGES))[0]["images"].shape == (2, 3)
    for wrong in (content(IMAGES | change), content(IMAGES, __metadata__={"format": 2}), content(IMAGES, labels=3)):
        with pytest.raises(ValueError, match=r"."):
            read(wrong)


@pytest.mark.parametrize("size", [0, 4, 8, 20, -1])
def test_a_file_that_is_cut_off_or_too_long_is_refused(size: int) -> None:
    for content in (written()[:size], written() + b"x"):
        with pytest.raises(ValueError, match=r"."):
            read(content)

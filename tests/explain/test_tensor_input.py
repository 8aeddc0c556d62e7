"""Tensors from files of any content, and at random."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from normbench.errors import DataError
from normbench.explain.tensor_input import document_tensor, read_tensor
from tests.tiny import invoke

INPUT = [[[[1, 0], [0, 1]], [[2, 0], [0, 2]]], [[[2, 0], [0, 2]], [[3, 0], [0, 3]]]]


def test_the_input_is_the_documents() -> None:
    assert document_tensor().tolist() == INPUT


def test_from_a_file(tmp_path: Path) -> None:
    npy, yaml = tmp_path / "x.npy", tmp_path / "x.yaml"
    np.save(npy, np.array(INPUT, dtype=np.int8))
    yaml.write_text(str(INPUT))
    outputs = [invoke("explain", "tensor", *source).stdout for source in ((), (npy,), (yaml,))]
    assert outputs[0] == outputs[1] == outputs[2]


def test_a_random_tensor_is_the_seeds() -> None:
    first, again, other = (
        json.loads(invoke("explain", "tensor", "--shape", "2,4,3", "--seed", seed, "--format", "json").stdout)
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert np.shape(first["input"]) == (2, 4, 3)


def write(path: Path, content: object) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content, allow_pickle=True)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "1", r"from a \.npy or a \.yaml file"),
        ("x.npy", b"not numpy", r"is not a \.npy file"),
        ("x.npy", b"", r"is not a \.npy file"),
        ("x.npy", b"\x93NUMPY\x01\x00", "cannot be read"),
        ("x.npy", pickle.dumps([[1, 2]]), r"is not a \.npy file"),
        ("x.npy", np.array([{"a": 1}], dtype=object), "pickled objects, which are never loaded"),
        ("x.npy", np.zeros(4), "a tensor of shape 4"),
        ("x.npy", np.zeros((2, 0)), "none of them 0"),
        ("x.npy", np.zeros((100, 100)), "10,000 values are too many"),
        ("x.npy", np.array([["a", "b"]]), "not numbers"),
        ("x.npy", np.array([[1.0, np.nan]]), "not finite"),
        ("x.npy", np.array([[1.0, 1e300]]), "not finite in float32"),
        ("x.yaml", "[[1, 2], [3]]", "not all of the same length"),
        ("x.yaml", "[[1, two]]", "not numbers"),
        ("x.yaml", "a: 1", "no nested lists"),
        ("x.yaml", "", "no nested lists"),
        ("x.yaml", "[[1, 2", "is not YAML"),
        ("x.yaml", "!!python/object/apply:os.system [ls]", "tag .* is not allowed"),
        ("x.yaml", "3", "no nested lists"),
    ],
)
def test_a_bad_file_is_one_sentence(name: str, content: object, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=message) as caught:
        read_tensor(path)
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(str(path))

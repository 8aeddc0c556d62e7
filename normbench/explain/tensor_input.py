"""The tensor to explain: read from an untrusted file, whose code is never run, or random, or the default."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import MAGIC_PREFIX
from torch import Tensor

from normbench.config.problems import Problems
from normbench.config.yaml import parse_yaml, read_text
from normbench.errors import ConfigError, DataError
from normbench.explain.shape import AXES, Shape, parse_shape

MAX_VALUES = 4096
DIAGONALS = ((1.0, 2.0), (2.0, 3.0))
SUFFIXES = (".npy", ".yaml", ".yml")


def choose_tensor(file: Path | None, shape: str | None, seed: int) -> Tensor:
    """The tensor in `file`, or a random one of `shape` ("N,C,H,W"), or the default. Raises ConfigError for both."""
    if file is not None and shape is not None:
        raise ConfigError(f"the tensor comes from the file {file} or is drawn with --shape {shape}, not both")
    if file is not None:
        return read_tensor(file)
    if shape is None:
        return document_tensor()
    sizes = parse_shape(shape, AXES)
    check_size(sizes, f"--shape {shape}")
    return random_tensor(sizes, seed)


def document_tensor() -> Tensor:
    """[2, 2, 2, 2]: diagonal matrices, of 1 and 2 in the channels of the first image, of 2 and 3 in the second's."""
    return torch.tensor(DIAGONALS)[:, :, None, None] * torch.eye(2)


def random_tensor(shape: Shape, seed: int) -> Tensor:
    """Standard normal values of `shape`."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def read_tensor(path: Path) -> Tensor:
    """A float32 tensor with two to five axes, from a `.npy` file or from nested lists of numbers in YAML.

    Raises DataError if the file is missing, has another format, or holds pickled objects or another kind of value.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: a tensor is read from a .npy or a .yaml file, not from {path.suffix or 'one'!r}")
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    array = _read_npy(path) if path.suffix == ".npy" else _read_yaml(path)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: holds {array.dtype} values, not numbers of one type")
    check_size(array.shape, str(path))
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{path}: holds values that are not finite in float32; a norm of them is not a number")
    return torch.from_numpy(values)


def check_size(shape: tuple[int, ...], where: str) -> None:
    """Raises DataError for a tensor that is too large to check by hand, or that no norm takes."""
    if len(shape) not in AXES or prod(shape) == 0:
        allowed = ", ".join(",".join(names) for names in AXES.values())
        found = "a single number" if not shape else f"a tensor of shape {','.join(map(str, shape))}"
        raise DataError(f"{where}: holds {found}; a norm takes {allowed}, none of them 0")
    if prod(shape) > MAX_VALUES:
        raise DataError(f"{where}: {prod(shape):,} values are too many to check by hand; at most {MAX_VALUES:,}")


def _read_npy(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
                raise DataError(f"{path}: is not a .npy file; save one array of numbers with numpy.save")
        # Memory-mapped: a header with a false shape allocates nothing.
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # NumPy raises half a dozen error types on a crafted header
        if "object" in str(error).lower():
            raise DataError(f"{path}: holds pickled objects, which are never loaded; save plain numbers") from None
        raise DataError(f"{path}: cannot be read as a .npy file: {error}") from None
    return array


def _read_yaml(path: Path) -> np.ndarray:
    problems = Problems()
    try:
        root = parse_yaml(read_text(path), str(path), problems)
    except ConfigError as error:
        raise DataError(str(error)) from None
    if not problems.ok:
        raise DataError("\n".join(map(str, problems.found)))
    values: Any = root.plain() if root else None
    if not isinstance(values, list):
        raise DataError(f"{path}: holds no nested lists of numbers, such as [[1, 0], [0, 1]]")
    try:
        return np.array(values)
    except (ValueError, OverflowError) as error:  # ragged
        raise DataError(f"{path}: the nested lists are not all of the same length") from error

"""The cache of decoded images: one safetensors file for each input, checked by its fingerprint at every read."""

import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from normbench.data.dataset import RawData, Split, fingerprint
from normbench.data.memory import MAX_BYTES, MAX_SIDE
from normbench.data.sources.source import SourceInput
from normbench.data.tensor_file import read_tensors, write_tensors
from normbench.files import holding, open_regular, put_in_place, remove_scratch, scratch_beside, scratch_of
from normbench.text import printable, reason

log = logging.getLogger(__name__)

MAX_FILE_BYTES = MAX_BYTES + 2**30
"""A larger file is no cache file: besides images it holds labels only."""
MAX_NAME = 255
"""Characters in the name of a class, which may be that of a folder."""
CHANNELS = (1, 3)
FORMAT = "2"  # raise it whenever the content of the file, or the decoding of a source, changes


class _Unusable(Exception):
    """A cache file cannot be used; the message says why."""


def load_cached(source: str, found: SourceInput, folder: Path) -> tuple[RawData, str]:
    """What the source read, from the cache, or from its input and then cached; and the fingerprint of that content.

    Only one process at a time reads an input; the others wait. A damaged cache file is reported and rebuilt. If the
    cache cannot be written, a warning says so and the data are returned all the same. Raises the source's DataError.
    """
    cached = folder / f"{found.slot}.safetensors"
    # The identity of 60,000 image files takes as long as the fingerprint of their pixels. A second thread computes it:
    # hashing releases the GIL.
    with ThreadPoolExecutor(1) as aside:
        identity = aside.submit(found.identity)
        try:
            content = _read(cached, source, identity)  # without the lock: cache files are replaced atomically
        except _Unusable:
            content = None  # another process may be rebuilding it: reported under the lock only
    identity.result()  # a missing input is an error even if the cache holds its data
    if content is not None and not scratch_of(cached).exists():
        return content
    with _holding_lock(cached) as writable:
        if writable:
            remove_scratch(cached)
        try:
            content = _read(cached, source, identity)
        except _Unusable as error:
            log.info(f"{cached}: {error}: reading the images again")
        if content is not None:
            return content
        raw = found.read()
        digest = fingerprint(raw)
        if writable:
            _write(cached, source, raw, digest, identity.result())
        return raw, digest


@contextmanager
def _holding_lock(cached: Path) -> Iterator[bool]:
    """Hold the lock file beside the cache file; yields whether the cache can be written."""
    wait = partial(log.info, "another process is preparing the same data: waiting for it")
    with ExitStack() as stack:
        writable = True
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(holding(cached.with_suffix(".lock"), before_waiting=wait))
        except OSError as error:
            _warn(cached, error)
            writable = False
        yield writable


def _warn(path: Path, error: Exception) -> None:
    log.warning(
        f"warning: the cache {path} cannot be written ({error}): going on without it, so the images are decoded at "
        "every start; NORMBENCH_CACHE names another folder"
    )


def _read(path: Path, source: str, identity: Future[str]) -> tuple[RawData, str] | None:
    """The content of a cache file and its fingerprint; None if there is no file. Raises _Unusable."""
    try:
        if not path.is_file():
            return None
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise _Unusable("larger than any data set")
            tensors, metadata = read_tensors(file, size)
        if metadata.get("format") != FORMAT or metadata.get("source") != source:
            raise _Unusable("not a cache file of this version")
        raw = _content(tensors, metadata)
    except MemoryError as error:
        raise _Unusable("larger than the memory") from error
    except (OSError, KeyError, ValueError, RecursionError) as error:
        raise _Unusable(f"damaged ({reason(error)})") from error
    digest = fingerprint(raw)
    if digest != metadata.get("fingerprint"):
        raise _Unusable("damaged (the fingerprint of its content is another)")
    if metadata.get("identity") != identity.result():
        raise _Unusable("the data it was made from have changed")
    return raw, digest


def _content(tensors: dict[str, Tensor], metadata: dict[str, str]) -> RawData:
    names = json.loads(metadata["class_names"])
    if not isinstance(names, list) or not all(map(_is_class_name, names)):
        raise ValueError("class names are not of the expected form")
    splits = {
        name: Split(tensors[f"{name}.images"], tensors[f"{name}.labels"])
        for name in ("train", "test", "val")
        if name == "train" or f"{name}.images" in tensors
    }
    for split in splits.values():
        images, labels = split.images, split.labels
        if images.dtype != torch.uint8 or not _is_image_shape(images.shape[1:]) or not len(images):
            raise ValueError("images are not of the expected form")
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise ValueError("labels are not of the expected form")
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(names):
            raise ValueError("a label has no class")
    if len({split.images.shape[1:] for split in splits.values()}) > 1:
        raise ValueError("the splits have images of several shapes")
    return RawData(splits["train"], splits.get("test"), tuple(names), splits.get("val"))


def _is_image_shape(shape: torch.Size) -> bool:
    return len(shape) == 3 and shape[0] in CHANNELS and all(1 <= side <= MAX_SIDE for side in shape[1:])


def _is_class_name(name: object) -> bool:
    return isinstance(name, str) and len(name) <= MAX_NAME and printable(name) == name


def _write(path: Path, source: str, raw: RawData, digest: str, identity: str) -> None:
    """Replace the cache file atomically. The caller holds the lock."""
    tensors = {
        f"{name}.{part}": getattr(split, part).contiguous()
        for name, split in raw.splits.items()
        for part in ("images", "labels")
    }
    metadata = {
        "format": FORMAT,
        "source": source,
        "identity": identity,
        "class_names": json.dumps(raw.class_names),
        "fingerprint": digest,
    }
    try:
        with scratch_beside(path) as scratch:
            temporary = scratch / path.name
            with temporary.open("wb") as file:
                write_tensors(file, tensors, metadata)
            put_in_place(temporary, path)
    except OSError as error:
        _warn(path, error)

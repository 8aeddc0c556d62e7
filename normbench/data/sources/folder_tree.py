"""Which images a folder data set has: classes and files in the order of torchvision's ImageFolder, not yet opened.

Images in folders below that of a class belong to the class. The order is that of the names, so that a folder always
gives the same data set.
"""

import hashlib
import logging
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normbench.data.notes import note_share
from normbench.errors import DataError
from normbench.text import listed, plural, printable

log = logging.getLogger(__name__)

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
"""In any case. Those of ImageFolder, and GIF."""
NAMES = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation"),
}
"""By split, what its folder may be called, in any case."""
MAX_WRAPPED = 4
"""Levels of folders in which the splits are looked for, while each holds a single folder."""
LAYOUT = "train/<class>/*.png|jpg|... and test/<class>/*"
DEBRIS = frozenset({"@eadir", "__macosx", "$recycle.bin", "lost+found", "system volume information"}) | {
    "thumbs.db",
    "desktop.ini",
}
"""What systems leave beside the user's own folders and files, in lower case: no classes and no images."""


@dataclass(frozen=True)
class Tree:
    """The images under a folder, split by split: (relative path, class index) of each.

    `splits` has `train`, and `test` and `val` where they are there. `digest` is over names, sizes and times.
    """

    root: Path
    class_names: tuple[str, ...]
    splits: dict[str, list[tuple[str, int]]]
    digest: str


def scan(root: Path) -> Tree:
    """List the images under `root` without opening them. Raises DataError, and OSError for an unreadable folder."""
    root, folders = _layout(root)
    ignored: list[Path] = []
    found = {split: sorted(_folders(root / folder, ignored)) for split, folder in folders.items()}
    if not any(found.values()):
        places = " and ".join(folders.values())
        raise DataError(f"{root}: no class folders under {places}; the data source 'folder' expects {LAYOUT}")
    for split, names in found.items():
        _check_names(root / folders[split], names)
    for split in found:
        for has, lacks in (("train", split), (split, "train")):
            _check_counterparts(root, folders[has], found[has], folders[lacks], found[lacks])
    class_names = tuple(found["train"])
    if len(class_names) == 1:
        raise DataError(
            f"{root}: only one class, {class_names[0]!r}: at least 2 are needed for a network to tell apart"
        )
    digest = hashlib.sha256()
    splits: dict[str, list[tuple[str, int]]] = {}
    for split, folder in folders.items():
        splits[split] = []
        for index, name in enumerate(class_names):
            place = f"{folder}/{name}" if folder else name
            images = _images(root / place, ignored)
            if not images:
                raise DataError(f"{root / place}: no {', '.join(EXTENSIONS)} images in this class folder")
            splits[split] += [(f"{place}/{file}", index) for file, _, _ in images]
            told = "".join([f"{place}/{file}\0{size}\0{mtime_ns}\0" for file, size, mtime_ns in images])
            digest.update(os.fsencode(told))
        digest.update(f"{split}\n".encode())
    _note_ignored(ignored, sum(map(len, splits.values())))
    return Tree(root, class_names, splits, digest.hexdigest())


def _check_counterparts(root: Path, has: str, names: Sequence[str], lacks: str, others: Sequence[str]) -> None:
    """Raises DataError if the folder `has` holds a class that `lacks` does not."""
    missing = [name for name in names if name not in others]
    for name in missing:
        if not _images(root / has / name, []):
            raise DataError(
                f"{root / has / name}: holds no images and has no counterpart under {lacks}: remove it if it is "
                "no class"
            )
    if missing:
        more = f" (and {len(missing) - 1} more such)" if len(missing) > 1 else ""
        raise DataError(f"{root / lacks / missing[0]}: missing: {has} has this class, {lacks} has not{more}")


def _note_ignored(ignored: Sequence[Path], num_images: int) -> None:
    if ignored:
        others = plural(len(ignored), "file")
        note_share(
            len(ignored),
            num_images,
            f"left out {others} beside the {num_images:,} images, such as {min(ignored)}: only files that end in "
            f"{', '.join(EXTENSIONS)} are read, and only in the folders of the classes",
        )


def _layout(root: Path) -> tuple[Path, dict[str, str]]:
    """The folder that holds the splits, in `root` or alone in it, and the name of each split's folder in it.

    Images of a `val` folder are the test images where there is no folder of these. The name is "" for classes that are
    not in splits.
    """
    if not root.exists():
        raise DataError(f"{root}: nothing is there; the data source 'folder' expects a folder with {LAYOUT}")
    if not root.is_dir():
        raise DataError(
            f"{root}: is a file, and the data source 'folder' expects a folder with {LAYOUT}: unpack an archive first, "
            "or give the official archive of CIFAR-10 to --data cifar10"
        )
    for _ in range(MAX_WRAPPED):
        inside = sorted(_folders(root, []))
        if (root / "data_batch_1").exists() or (root / "cifar-10-batches-py").exists():
            raise DataError(
                f"{root}: no folder 'train' in it; the data source 'folder' expects {LAYOUT}; these are the batches of "
                "CIFAR-10, which --data cifar10 reads"
            )
        folders = {split: _named(root, inside, split) for split in NAMES}
        found = {split: name for split, name in folders.items() if name is not None}
        if found or len(inside) != 1:
            break
        root = root / inside[0]
    if not found and inside:
        return root, {"train": ""}
    if "train" not in found:
        there = f"; the folders in it are {printable(listed(inside))}" if inside else ""
        raise DataError(f"{root}: no folder 'train' in it; the data source 'folder' expects {LAYOUT}{there}")
    if "test" not in found and "val" in found:
        log.info(f"note: there is no folder of test images: those in {root / found['val']} are the test images")
        found["test"] = found.pop("val")
    return root, found


def _named(root: Path, folders: Sequence[str], split: str) -> str | None:
    """The folder of a split. Raises DataError if there are two."""
    matching = [name for name in folders if name.casefold() in NAMES[split]]
    if len(matching) > 1:
        raise DataError(
            f"{root}: the folders {listed(matching)} are all for {split} images: merge them, or rename the others"
        )
    return matching[0] if matching else None


def _check_names(split: Path, names: Sequence[str]) -> None:
    """Class names must be printable (tables show them) and distinct on file systems that ignore case."""
    spelled: dict[str, str] = {}
    for name in names:
        if printable(name) != name:
            raise DataError(f"{split / name}: the name of a class holds control characters or is not UTF-8: rename it")
        other = spelled.setdefault(unicodedata.normalize("NFC", name.casefold()), name)
        if other != name:
            raise DataError(
                f"{split / name}: differs from the class {other!r} only in case or in how an accent is written: "
                "merge the two folders, or rename one"
            )


def _folders(path: Path, ignored: list[Path]) -> list[str]:
    """The folders in `path` that may be classes. Files beside them are added to `ignored`."""
    with os.scandir(path) as entries:
        visible = [entry for entry in entries if not _is_debris(entry.name)]
        ignored += [path / entry.name for entry in visible if not entry.is_dir()]
        return [entry.name for entry in visible if entry.is_dir()]


def _is_debris(name: str) -> bool:
    return name.startswith(".") or name.casefold() in DEBRIS


def _images(path: Path, ignored: list[Path]) -> list[tuple[str, int, int]]:
    """(name, size in bytes, mtime in ns) of each image in and below a class folder, folder by folder.

    The name is relative, with slashes. Raises DataError for a folder that a link leads to a second time, which may be
    for ever.
    """
    images = []
    seen = {_identity(path)}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(path / folder) as entries:
            for entry in entries:
                name = folder + entry.name
                if _is_debris(entry.name):
                    continue
                if entry.is_dir():
                    if _identity(path / name) in seen:
                        raise DataError(
                            f"{path / name}: leads to a folder of this class a second time: remove the link"
                        )
                    seen.add(_identity(path / name))
                    waiting.append(f"{name}/")
                elif entry.name.lower().endswith(EXTENSIONS):
                    status = entry.stat()
                    images.append((name, status.st_size, status.st_mtime_ns))
                else:
                    ignored.append(path / name)
    return sorted(images, key=lambda image: os.path.split(image[0]))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()  # not that of os.scandir, which is 0 on Windows
    return status.st_dev, status.st_ino

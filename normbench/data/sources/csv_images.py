"""Where the images are that a CSV names: beside it, or in a folder beside it, with their extension or without."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from normbench.data.sources.csv_table import Row
from normbench.data.sources.folder_tree import EXTENSIONS
from normbench.data.sources.placed_files import split_of
from normbench.errors import DataError
from normbench.text import listed, printable, shortened


class ImagesOfTable:
    """Finds the images of one split: beside the CSV, or in a folder beside it, where its first image is."""

    def __init__(self, table: Path, split: str, first: Row) -> None:
        self._table = table
        self._names: dict[Path, dict[str, list[str]]] = {}
        looked_in = self._candidates(split)
        found = [folder for folder in looked_in if self._path(folder, first) is not None]
        if not found:
            raise DataError(
                f"{table}, line {first.line}: no image {shortened(printable(first.image))!r} in "
                f"{printable(listed([str(folder) for folder in looked_in], 5))}"
            )
        self._folder = found[0]

    def find(self, row: Row) -> Path:
        path = self._path(self._folder, row)
        if path is None:
            raise DataError(
                f"{self._table}, line {row.line}: no image {shortened(printable(row.image))!r} in {self._folder}"
            )
        return path

    def _candidates(self, split: str) -> list[Path]:
        """The folder of the CSV, those in it whose name has the split, and one below them; then all others in it."""
        beside = folders_in(self._table.parent)
        of_split = [folder for folder in beside if split_of(folder.name) == split]
        below = [inner for folder in of_split for inner in folders_in(folder)]
        others = [folder for folder in beside if split_of(folder.name) is None]
        return [self._table.parent, *of_split, *below, *others]

    def _path(self, folder: Path, row: Row) -> Path | None:
        name = PurePosixPath(row.image)
        if name.is_absolute() or ".." in name.parts or "\0" in row.image:
            raise DataError(
                f"{self._table}, line {row.line}: {shortened(printable(row.image))!r} leads out of the folder of images"
            )
        inside = folder / name.parent
        names = self._names_in(inside)
        found = [name.name] if name.name in names.get(name.stem, ()) else names.get(name.name, [])
        if len(found) > 1:
            raise DataError(
                f"{self._table}, line {row.line}: {shortened(printable(row.image))!r} may be "
                f"{printable(listed(found))} in {inside}"
            )
        return inside / found[0] if found else None

    def _names_in(self, folder: Path) -> dict[str, list[str]]:
        """The image files in a folder by their names without extension."""
        if folder not in self._names:
            names: dict[str, list[str]] = {}
            for name in images_in(folder):
                names.setdefault(Path(name).stem, []).append(name)
            self._names[folder] = names
        return self._names[folder]


def images_in(folder: Path) -> list[str]:
    """The names of the image files in a folder; none if it is not there."""
    return [name for name in _scan(folder) if name.lower().endswith(EXTENSIONS) and not name.startswith(".")]


def folders_in(folder: Path) -> list[Path]:
    """The visible folders in a folder, by name."""
    return [folder / name for name in _scan(folder) if (folder / name).is_dir() and not name.startswith(".")]


def _scan(folder: Path) -> Sequence[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error

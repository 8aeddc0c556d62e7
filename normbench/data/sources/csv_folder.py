"""The `csv` source: a folder of images, and a CSV that gives each its label, as in Kaggle's CIFAR-10.

One CSV with all images, or with a column `split`, or one for each split, told by its name: `trainLabels.csv`,
`test.csv`. Images without a label are left out.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from pathlib import Path

import torch

from normbench.data.dataset import RawData, Split
from normbench.data.sources.class_labels import indexed
from normbench.data.sources.csv_images import ImagesOfTable, folders_in, images_in
from normbench.data.sources.csv_table import Row, Table, is_table, read_table
from normbench.data.sources.decode import decode
from normbench.data.sources.folder import read_file
from normbench.data.sources.placed_files import (
    files_at,
    identity_of,
    name_words,
    named_place,
    raw_data,
    slot_of,
    split_of,
)
from normbench.data.sources.source import SourceInput, SourceRequest
from normbench.errors import DataError
from normbench.text import listed, printable

log = logging.getLogger(__name__)

EXPECTED = "a folder of images with a CSV of the columns filename (or id) and label"


def csv_folder(request: SourceRequest) -> SourceInput:
    """Images in a folder, with their labels in a CSV."""
    place = named_place(request, "csv", EXPECTED)
    listing = cache(lambda: _listing(place))
    folder = place if place.is_dir() else place.parent
    return SourceInput(
        slot_of("csv", place),
        lambda: identity_of(place, listing().all_files),
        lambda: _read(listing(), request),
        name=folder.name,
    )


@dataclass(frozen=True)
class Listing:
    """The labelled images of each split: (file, label)."""

    tables: tuple[Path, ...]
    splits: dict[str, list[tuple[Path, str]]]

    @property
    def all_files(self) -> Iterator[Path]:
        yield from self.tables
        for images in self.splits.values():
            yield from (path for path, _ in images)


def _listing(place: Path) -> Listing:
    """What is at the place, without opening an image. Raises DataError that names a file, and a line of a CSV."""
    tables = _tables(place)
    rows: dict[str, list[tuple[Table, Row]]] = {}
    for split, table in tables:
        for row in table.rows:
            rows.setdefault(row.split or split, []).append((table, row))
    if "train" not in rows:
        raise DataError(f"{place}: the CSV names no training images; expected {EXPECTED}")
    splits = {}
    for split, of_split in rows.items():
        images = ImagesOfTable(of_split[0][0].path, split, of_split[0][1])
        splits[split] = [(images.find(row), row.label) for _, row in of_split]
    listing = Listing(tuple(table.path for _, table in tables), splits)
    _note_left_out(listing, sum(table.num_unlabelled for _, table in tables))
    return listing


def _note_left_out(listing: Listing, num_unlabelled: int) -> None:
    """Notes rows without a label, and images without a row: in the folders of other images, and in those of a split."""
    root = listing.tables[0].parent
    named = {path for images in listing.splits.values() for path, _ in images}
    folders = {path.parent for path in named} | {folder for folder in folders_in(root) if split_of(folder.name)}
    unnamed = {folder: sum(folder / name not in named for name in images_in(folder)) for folder in sorted(folders)}
    places = [f"{count:,} in {folder}" for folder, count in unnamed.items() if count]
    if num_unlabelled or places:
        counts = [f"{num_unlabelled:,} of the CSV"] if num_unlabelled else []
        log.info(f"note: left out images without a label: {printable(listed([*counts, *places]))}")


def _tables(place: Path) -> list[tuple[str, Table]]:
    """The CSV of each split; one that is alone is for training."""
    paths = files_at(place, ".csv")
    if not place.is_dir():
        return [("train", read_table(place))]
    # Kaggle's example of a submission has made-up labels.
    paths = [path for path in paths if not {"submission", "sample"} & set(name_words(path.stem))]
    labelled = [path for path in paths if len(paths) == 1 or is_table(path)]
    if not labelled:
        held = f"{listed([path.name for path in paths])} has no labels" if paths else "no CSV is in it"
        raise DataError(f"{place}: {printable(held)}; expected {EXPECTED}")
    if len(labelled) == 1:
        return [("train", read_table(labelled[0]))]
    by_split: dict[str, Path] = {}
    for path in labelled:
        split = split_of(path.stem)
        if split is None or split in by_split:
            raise DataError(
                f"{place}: several CSVs have labels: {printable(listed([path.name for path in labelled]))}; name one "
                "of them, or call them train.csv and test.csv"
            )
        by_split[split] = path
    return [(split, read_table(path)) for split, path in by_split.items()]


def _read(listing: Listing, request: SourceRequest) -> RawData:
    total = sum(map(len, listing.splits.values()))
    where = str(listing.tables[0])
    log.info(f"decoding {total:,} images that {where} names (once: they are cached)")
    class_names, labels = indexed(
        where, {split: [label for _, label in images] for split, images in listing.splits.items()}
    )
    files = [path for images in listing.splits.values() for path, _ in images]
    decoded = decode([(str(path), partial(read_file, path)) for path in files], resize=request.resize, bar=request.bar)
    ends = accumulate(map(len, listing.splits.values()))
    found = {
        split: Split(torch.from_numpy(decoded[end - len(images) : end]), labels[split])
        for (split, images), end in zip(listing.splits.items(), ends, strict=True)
    }
    return raw_data(found, class_names)

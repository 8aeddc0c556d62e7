"""A data set as tables: what it is, and how many images each class has."""

from collections.abc import Sequence

from normbench.data.dataset import Dataset
from normbench.data.survey import UNEQUAL, Survey, imbalance
from normbench.present.tables.table import Table
from normbench.text import listed, plural, printable

MOST_SHOWN = 5
"""Places of images without contrast."""


def data_table(dataset: Dataset, found: Survey) -> Table:
    """One fact per row; below, what a reader should know."""
    channels, height, width = dataset.image_shape
    constants = dataset.normalization
    rows = {
        "name": printable(dataset.name),
        "source": dataset.source,
        "images": ", ".join(f"{sum(counts):,} {split}" for split, counts in found.by_class.items()),
        "classes": f"{len(dataset.class_names):,}",
        "size": f"{width} x {height} pixels, {'grey' if channels == 1 else f'{channels} channels'}",
        "mean": ", ".join(f"{value:.4f}" for value in constants.mean),
        "std": ", ".join(f"{value:.4f}" for value in constants.std),
        "fingerprint": dataset.fingerprint,
    }
    return Table(
        title=f"Data: {printable(dataset.name)}",
        columns=("What", "Value"),
        rows=tuple(rows.items()),
        records=tuple({"what": what, "value": value} for what, value in rows.items()),
        footer=tuple(_findings(dataset, found)) or ("Nothing unusual was found.",),
        notes=("mean, std: of each channel, in fractions of the full range; pixels are normalized by them.",),
        num_text_columns=2,
        wraps=True,
        name="data",
    )


def classes_of_data_table(dataset: Dataset, found: Survey) -> Table:
    """One row per class: images in each split."""
    splits = list(found.by_class)
    return Table(
        title="Images by class",
        columns=("Class", *splits),
        rows=tuple(
            (printable(name), *(f"{found.by_class[split][index]:,}" for split in splits))
            for index, name in enumerate(dataset.class_names)
        ),
        records=tuple(
            {"class": name, **{split: found.by_class[split][index] for split in splits}}
            for index, name in enumerate(dataset.class_names)
        ),
        name="classes",
    )


def _findings(dataset: Dataset, found: Survey) -> list[str]:
    findings = []
    if dataset.held_out is not None:
        findings.append(f"There was no test split: {dataset.held_out:.0%} of each class were held out for it.")
    if found.shared:
        findings.append(f"Training images too, pixel by pixel: {plural(found.shared, 'test image')}.")
    for split, count in found.repeated.items():
        if count:
            findings.append(f"There more than once: {plural(count, f'{split} image')}.")
    if found.ambiguous:
        findings.append(f"In more than one class: {plural(found.ambiguous, 'image')}.")
    for split, places in found.flat.items():
        if places:
            counted = plural(len(places), f"{split} image")
            findings.append(f"Hardly any contrast: {counted} (by place in {split}, from 0: {_places(places)}).")
    for split, counts in found.by_class.items():
        if missing := [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]:
            findings.append(f"No {split} image of {printable(listed(missing, MOST_SHOWN))}.")
    if (times := imbalance(found.by_class["train"])) > UNEQUAL:
        findings.append(f"The largest class has {times:.1f} times as many training images as the smallest.")
    return findings


def _places(places: Sequence[int]) -> str:
    more = ", ..." if len(places) > MOST_SHOWN else ""
    return ", ".join(map(str, places[:MOST_SHOWN])) + more

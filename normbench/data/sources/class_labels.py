"""Labels as a file has them, numbers or names -> indices of class names."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from normbench.errors import DataError
from normbench.text import listed, printable, shortened

MAX_CLASSES = 10_000
MAX_NAME = 255
"""Characters in the name of a class."""

Label = int | str


def indexed(
    where: str, labels: Mapping[str, Sequence[Label]], class_names: Sequence[str] | None = None
) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """(class names, labels int64 [N] of each split). The keys of `labels` are the splits, `train` among them.

    With `class_names`, a label is an index of them. Without, the classes are the labels of the training images: whole
    numbers in their order, else texts in theirs. Raises DataError for anything but such labels.
    """
    if class_names is None:
        values = _classes(where, labels["train"])
        class_names = tuple(map(str, values))
    else:
        values = list(range(len(class_names)))
    if len(class_names) < 2:
        found = f"only one class, {class_names[0]!r}" if class_names else "no classes"
        raise DataError(f"{where}: {found}: at least 2 are needed for a network to tell apart")
    for name in class_names:
        if printable(name) != name or not 1 <= len(name) <= MAX_NAME:
            raise DataError(
                f"{where}: the class {shortened(printable(repr(name)))}: a name must be 1 to {MAX_NAME} characters "
                "without control characters"
            )
    indices = {value: index for index, value in enumerate(values)}
    found_labels = {}
    for split, of_split in labels.items():
        unknown = sorted({str(label) for label in of_split if label not in indices})
        if unknown:
            raise DataError(
                f"{where}: the {split} images have the label {shortened(printable(unknown[0]))!r}, which is none of "
                f"the {len(class_names):,} classes: {printable(listed(class_names, 5))}"
            )
        found_labels[split] = torch.tensor([indices[label] for label in of_split], dtype=torch.int64)
    return tuple(class_names), found_labels


def _classes(where: str, labels: Sequence[Label]) -> list[Label]:
    found = set(labels)
    if len(found) > MAX_CLASSES:
        raise DataError(f"{where}: {len(found):,} different labels are too many for classes: at most {MAX_CLASSES:,}")
    return sorted(found, key=lambda label: (0, int(label), "") if _is_number(label) else (1, 0, str(label)))


def _is_number(label: Label) -> bool:
    return isinstance(label, int) or (label.isascii() and label.isdigit() and len(label) < MAX_NAME)

"""How code from outside is named: `package.module:Name`, or `file.py:Name` for a file at hand."""

import os
from pathlib import Path, PurePath

FORMS = "package.module:Name or file.py:Name"


def split(name: str) -> tuple[str, str]:
    """The module or the file, and the name in it, which is empty where `name` has no colon."""
    where, colon, attribute = name.rpartition(":")
    return (where, attribute) if colon else (name, "")


def is_in_file(name: str) -> bool:
    """Whether the code is named by its file."""
    return split(name)[0].endswith(".py")


def canonical(name: str, beside: Path | None = None) -> str:
    """The one spelling of a name: the path of a file is relative below the current folder, and absolute elsewhere.

    A relative path is looked up in the folder `beside`, that of the config which names the file, and else in the
    current folder.
    """
    if not is_in_file(name):
        return name
    where, attribute = split(name)
    path = Path(where).expanduser()
    if beside is not None and (beside / path).is_file():
        path = beside / path
    here = Path.cwd()
    absolute = Path(os.path.normpath(here / path))  # not resolve(): a link keeps its name
    path = absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
    return f"{path.as_posix()}:{attribute}" if attribute else path.as_posix()


def portable(name: str) -> str:
    """The name without the folder of its file: equal on every machine, and wherever the command is given."""
    if not is_in_file(name):
        return name
    where, attribute = split(name)
    return f"{PurePath(where).name}:{attribute}"

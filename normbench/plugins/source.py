"""The source of code from outside, by which a changed network is told from the one before."""

import ast
import hashlib
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")


def source_sha256(files: Iterable[Path], folder: Path) -> str:
    """sha256 (hex) over the bytes of `files` and of the modules of the user that they import, by their place.

    folder: where the imports of the files begin. Modules below it count, and the modules that those import, unless they
    are installed. The imports are read from the source, and nothing is imported. Raises OSError for a file that cannot
    be read.
    """
    digest = hashlib.sha256()
    for place, content in sorted(_sources(files, folder).items()):
        digest.update(f"{place}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def is_installed(file: Path) -> bool:
    """Whether a file is part of Python or of an installed package."""
    library = sysconfig.get_path("stdlib")
    return any(part in _INSTALLED for part in file.parts) or file.is_relative_to(library)


def _sources(files: Iterable[Path], folder: Path) -> dict[str, bytes]:
    """Bytes by the path from `folder`; of an installed file by its name."""
    found: dict[str, bytes] = {}
    to_read = list(files)
    while to_read:
        path = to_read.pop()
        place = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
        if place in found:
            continue
        found[place] = path.read_bytes()
        if not is_installed(path):
            to_read += _imported(found[place], path, folder)
    return found


def _imported(content: bytes, path: Path, folder: Path) -> Iterator[Path]:
    """The files below `folder` that the module imports."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):  # not Python, which its import tells
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(alias.name, folder)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = path.parents[node.level - 1]
                if not package.is_relative_to(folder):
                    continue
                module = ".".join([*package.relative_to(folder).parts, *filter(None, [module])])
            for alias in node.names:
                yield from _files(f"{module}.{alias.name}".strip("."), folder)


def _files(module: str, folder: Path) -> Iterator[Path]:
    """The files of a module and of the packages that hold it, where they are the user's."""
    first, *_ = parts = module.split(".")
    if first == "normbench" or _is_elsewhere(first, folder):
        return
    for end in range(1, len(parts) + 1):
        inner = folder.joinpath(*parts[:end])
        yield from (file for file in (inner / "__init__.py", inner.with_suffix(".py")) if file.is_file())


def _is_elsewhere(module: str, folder: Path) -> bool:
    """Whether Python takes a module from outside of `folder`: there it comes first."""
    with suppress(ImportError, ValueError):
        spec = find_spec(module)
        return spec is not None and not (spec.origin and Path(spec.origin).is_relative_to(folder))
    return False

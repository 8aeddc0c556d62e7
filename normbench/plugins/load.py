"""Imports code from outside by its name."""

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from normbench.errors import ConfigError
from normbench.plugins.errors import reason
from normbench.plugins.names import FORMS, is_in_file, split
from normbench.plugins.source import source_sha256
from normbench.text import nearest

_IDENTIFIER = r"[^\W\d]\w*"
_IMPORT_PATH = re.compile(rf"{_IDENTIFIER}(\.{_IDENTIFIER})*:{_IDENTIFIER}")


class _NoSuchName(Exception):
    """A module does not have the attribute that was asked for."""


@dataclass(frozen=True)
class Loaded:
    """What a name stands for, and the module that it was found in."""

    found: object
    module: ModuleType

    @cached_property
    def folder(self) -> Path | None:
        """Where the imports of the module begin: its folder, or that of its package; None for one without a file."""
        file = getattr(self.module, "__file__", None)
        if file is None:
            return None
        depth = self.module.__name__.count(".") + (Path(file).name == "__init__.py")
        return Path(file).absolute().parents[depth]

    @cached_property
    def sha256(self) -> str:
        """`source_sha256` of the module, and of that which defines what was found."""
        if self.folder is None:
            return source_sha256([], Path())
        files = {Path(str(self.module.__file__)).absolute()}
        with suppress(TypeError, OSError):  # an object that is neither a class nor a function
            files.add(Path(inspect.getsourcefile(self.found) or "").absolute())  # type: ignore[arg-type]
        return source_sha256([file for file in files if file.is_file()], self.folder)


def installed(group: str) -> dict[str, EntryPoint]:
    """The entry points of installed packages in a group, by name."""
    return {entry.name: entry for entry in entry_points(group=group)}


def load_installed(what: str, entry: EntryPoint) -> Loaded:
    """What an entry point names. Raises ConfigError; `what` is what its messages call it: norm, model."""
    try:
        return Loaded(entry.load(), sys.modules[entry.module])
    except Exception as error:  # the module may raise anything
        raise ConfigError(f"{what} {entry.name!r} ({entry.value}) cannot be imported: {reason(error)}") from error


def load(what: str, name: str) -> Loaded:
    """What `package.module:Name` or `file.py:Name` names. Raises ConfigError; `what` is as for `load_installed`."""
    where, attribute = split(name)
    if is_in_file(name) and not attribute.isidentifier():
        raise ConfigError(f"{what} {name!r}: name the class or the function in the file{_offered(Path(where))}")
    if not is_in_file(name) and not _IMPORT_PATH.fullmatch(name):
        raise ConfigError(f"{what} {name!r}: an import path has the form {FORMS}")
    try:
        module = _module_of_file(Path(where)) if is_in_file(name) else _module(where)
        return Loaded(_attribute(module, attribute), module)
    except _NoSuchName:
        near = nearest(attribute, [key for key, value in vars(module).items() if callable(value)])
        hint = f"; did you mean {where}:{near}?" if near else ""
        raise ConfigError(f"{what} {name!r}: {where} has no {attribute!r}{hint}") from None
    except FileNotFoundError as error:
        if error.filename != where:
            raise ConfigError(f"{what} {name!r} cannot be imported: {reason(error)}") from error
        raise ConfigError(
            f"{what} {name!r}: there is no file {where}; a path begins in the current folder, or beside the config "
            "that names it"
        ) from None
    except ModuleNotFoundError as error:
        if error.name != where.partition(".")[0] or is_in_file(name):
            raise ConfigError(f"{what} {name!r} cannot be imported: {reason(error)}") from error
        raise ConfigError(
            f"{what} {name!r}: there is no module {error.name!r} in this folder and none that is installed; "
            f"if {error.name}.py is in another folder, give its path, path/to/{error.name}.py:{attribute}"
        ) from None
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        raise ConfigError(f"{what} {name!r} cannot be imported: {reason(error)}") from error


@contextmanager
def importable(folder: Path | None) -> Iterator[None]:
    """Within, Python finds the modules of `folder` too, after the standard library and all that is installed."""
    import torch  # noqa: F401  (before: it tries to import packages that are not installed)

    if folder is None:
        yield
        return
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _attribute(module: ModuleType, name: str) -> object:
    """The attribute; a package of networks may keep it in its module `models`. Raises _NoSuchName."""
    for place in (module, getattr(module, "models", None)):
        if hasattr(place, name):
            return getattr(place, name)
    raise _NoSuchName


def _module(path: str) -> ModuleType:
    """The module, from where Python finds it, else from the current folder."""
    name, here = path.partition(".")[0], Path.cwd()
    is_here = (here / f"{name}.py").is_file() or (here / name / "__init__.py").is_file()
    if not is_here or name in sys.modules or find_spec(name) is not None:
        return import_module(path)
    with importable(here):
        return import_module(path)


def _module_of_file(path: Path) -> ModuleType:
    """The file as a module with a name of its own: two files may have one name, and a file may be changed.

    What runs is what was read, without Python's cache of compiled files. Modules beside the file are imported anew
    for each file, since those of another folder may have the same names.
    """
    absolute = path.absolute()
    content = path.read_bytes()
    version = f"{absolute} {source_sha256([absolute], absolute.parent)}"
    name = f"normbench_file_{path.stem}_{hashlib.sha256(version.encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, absolute)
    assert spec is not None  # the name ends with .py
    module = module_from_spec(spec)
    before = set(sys.modules)
    sys.modules[name] = module
    try:
        with importable(absolute.parent):
            exec(compile(content, str(absolute), "exec"), module.__dict__)  # noqa: S102  (the user has named the file)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        for other in set(sys.modules) - before - {name}:
            file = getattr(sys.modules[other], "__file__", None)
            if file and Path(file).is_relative_to(absolute.parent):
                del sys.modules[other]
    return module


def _offered(file: Path) -> str:
    """The classes and functions that a file defines, for a message."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return f", {file}:Name"
    names = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return f", such as {', '.join(f'{file}:{name}' for name in names[-3:])}" if names else "; it defines none"

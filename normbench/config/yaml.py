"""YAML as plain values that know where they were written, so that an error can name its line.

The semantics are those of `yaml.safe_load`, made stricter: no tags, no merge keys, text keys only, no duplicate keys,
no dates; and closer to YAML 1.2: `1e-4` is a number. Text from strangers cannot blow up: its size, its nesting, the
digits of a number, and the number of keys and values after expanding aliases are bounded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

from normbench.errors import ConfigError
from normbench.text import UNPRINTABLE, shortened

MAX_BYTES = 1_000_000
MAX_NODES = 10_000
MAX_DEPTH = 20
MAX_DIGITS = 1_000

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file and its line (from 1), or the command-line flag that gave it."""

    origin: str
    line: int | None = None

    def __str__(self) -> str:
        return self.origin if self.line is None else f"{self.origin}, line {self.line}"


@dataclass(frozen=True)
class Problem:
    """One thing to mend. `str(problem)` is its line in a message."""

    place: Place
    key: KeyPath
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), dotted(self.key), self.text) if part)


@dataclass(frozen=True)
class Located:
    """A mapping or list of located values, or a scalar (None, bool, int, float, str), and its place."""

    value: Any
    place: Place

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    @property
    def size(self) -> int:
        """How many values it holds, itself included."""
        inner = self.value.values() if isinstance(self.value, dict) else self.value
        return 1 + sum(item.size for item in inner) if isinstance(self.value, dict | list) else 1

    def find(self, path: KeyPath) -> "Located":
        """The value at `path`, or the innermost one on the way to it that exists."""
        node = self
        for key in path:
            is_there = key in node.value if isinstance(node.value, dict) else _has_index(node.value, key)
            if not is_there:
                break
            node = node.value[key]
        return node


class Exponent(float):
    """A number written with an exponent, such as `1e5`. It keeps its text, because PyYAML's dumper takes the text "1e5"
    for safe without quotes: where text is wanted (an experiment's name) it must come back as it was."""

    text: str


def located(value: Any, place: Place) -> Located:
    """Plain Python data as if it had been written at `place`."""
    if isinstance(value, Mapping):
        return Located({key: located(item, place) for key, item in value.items()}, place)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Located([located(item, place) for item in value], place)
    return Located(str(value) if isinstance(value, PurePath) else value, place)


def dotted(path: KeyPath) -> str:
    """`data.augment[1].p`; a key that is not a plain name is quoted."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{_quoted(key)}" for key in path).removeprefix(".")


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file; ConfigError with one sentence where it cannot be had."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder, not a config file") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES:,} bytes, too large for a config")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8") from None


def parse_yaml(
    text: str, origin: str, problems: list[Problem], *, at: KeyPath = (), has_lines: bool = True
) -> Located | None:
    """The one document in `text`, or None if there is none.

    What is wrong but leaves the rest readable (a tag, a duplicate key) is added to `problems` and the value left out;
    what is not YAML at all, or explodes, raises ConfigError. `at` is the key that the text is the value of;
    without `has_lines` places name `origin` only.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except _TooMuchError as error:
        line = error.line if has_lines else None
        raise ConfigError(f"{Place(origin, line)}: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark and has_lines else None
        reason = ", ".join(shortened(part, 200) for part in (error.context, error.problem) if part)
        raise ConfigError(f"{Place(origin, line)}: is not YAML: {reason}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if has_lines else None
        raise ConfigError(f"{Place(origin, line)}: is not YAML: {error.reason} ({_character(error)})") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML's scanner lets some of Python's own out
        raise ConfigError(f"{origin}: is not YAML: {error}") from None
    if root is None:
        return None
    return _Builder(origin, has_lines, loader.tagged, problems).build(root, _line(root), at)


class _TooMuchError(Exception):
    """What is too large, and the line where that was clear."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Composes nodes (never constructs objects), counts them, and notes the ones with a tag."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own interface)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.num_nodes = 0
        self.tagged: dict[int, str] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        tag, line = getattr(event, "tag", None), event.start_mark.line + 1
        self.depth += 1
        self.num_nodes += 1
        if self.depth > MAX_DEPTH:
            raise _TooMuchError(f"lists and mappings are nested deeper than {MAX_DEPTH} levels", line)
        if self.num_nodes > MAX_NODES:
            raise _TooMuchError(f"holds more than {MAX_NODES:,} keys and values, too many for a config", line)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if tag is not None:
            self.tagged[id(node)] = shortened(str(tag).replace("tag:yaml.org,2002:", "!!"))
        return node


_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
# Except for exponents, none takes more than PyYAML's own: text that safe_dump leaves unquoted comes back as text.
for _tag, _pattern, _first in [
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_BOOL, r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)", list("yYnNtTfFoO")),
    (_INT, r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F][0-9a-fA-F_]*)", list("-+0123456789")),
    (
        _FLOAT,
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
]:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$(?!\n)"), _first)


class _Builder:
    """Turns nodes into located values. All in an alias counts each time it is used: a bomb ends at MAX_NODES."""

    def __init__(self, origin: str, has_lines: bool, tagged: Mapping[int, str], problems: list[Problem]) -> None:
        self.origin, self.has_lines, self.tagged, self.problems = origin, has_lines, tagged, problems
        self.num_nodes = 0

    def build(self, node: yaml.Node, line: int, path: KeyPath) -> Located | None:
        """None for a node that was refused; `line` is that of its key where it has one."""
        place = Place(self.origin, line if self.has_lines else None)
        self.count(place)
        if len(path) > MAX_DEPTH:
            raise ConfigError(f"{place}: an alias holds itself, or nests deeper than {MAX_DEPTH} levels")
        if id(node) in self.tagged:
            tag = self.tagged[id(node)]
            self.refuse(place, path, f"the tag {tag!r} is not allowed: write a plain value without a tag")
            return None
        if isinstance(node, yaml.MappingNode):
            return Located(self.build_mapping(node, path), place)
        if isinstance(node, yaml.SequenceNode):
            items = [self.build(item, _line(item), (*path, index)) for index, item in enumerate(node.value)]
            kept = [item for item in items if item is not None]
            return Located(kept, place) if len(kept) == len(items) else None
        if UNPRINTABLE.search(node.value):
            self.refuse(
                place, path, f"text may not hold control characters or line breaks, found {shortened(repr(node.value))}"
            )
            return None
        try:
            return Located(_scalar(node.tag, node.value), place)
        except ValueError:
            self.refuse(place, path, "the number has too many digits")
            return None

    def build_mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Located]:
        mapping: dict[str, Located] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line, key = _line(key_node), key_node.value
            place = Place(self.origin, line if self.has_lines else None)
            self.count(place)
            if key_node.tag != "tag:yaml.org,2002:str" or id(key_node) in self.tagged:
                found = shortened(repr(key)) if isinstance(key, str) else "a list or a mapping"
                self.refuse(place, path, f"a key must be text, found {found}; quote it if it is meant as text")
            elif key == "<<":
                self.refuse(place, path, "merge keys ('<<') are not supported: write the keys out, or use 'extends'")
            elif key in lines:
                where = f" first on line {lines[key]}" if self.has_lines else ""
                self.refuse(place, (*path, key), f"the key is given twice,{where or ' and only one can count'}")
            else:
                lines[key] = line
                value = self.build(value_node, line, (*path, key))
                if value is not None:
                    mapping[key] = value
        return mapping

    def count(self, place: Place) -> None:
        self.num_nodes += 1
        if self.num_nodes > MAX_NODES:
            text = f"aliases expand to more than {MAX_NODES:,} keys and values, too many for a config"
            raise ConfigError(f"{place}: {text}")

    def refuse(self, place: Place, path: KeyPath, text: str) -> None:
        self.problems.append(Problem(place, path, text))


def _scalar(tag: str, text: str) -> Any:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() in ("yes", "true", "on")
    if tag not in (_INT, _FLOAT):
        return text
    digits = text.replace("_", "")
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"more than {MAX_DIGITS:,} digits")
    if tag == _INT:
        return int(digits, 0)
    if digits.lower().endswith(("inf", "nan")):
        return float(digits.replace(".", ""))
    if "e" not in digits.lower():
        return float(digits)
    number = Exponent(digits)
    number.text = text
    return number


def _quoted(key: str) -> str:
    return shortened(key if re.fullmatch(r"[\w-]+", key) else repr(key))


def _character(error: yaml.reader.ReaderError) -> str:
    return f"character U+{error.character:04X}" if isinstance(error.character, int) else "an unknown character"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _has_index(value: Any, key: str | int) -> bool:
    return isinstance(value, list) and isinstance(key, int) and key < len(value)

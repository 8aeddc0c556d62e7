"""YAML text -> located values.

The semantics are those of `yaml.safe_load`, made stricter: no tags, no merge keys, text keys only, no duplicate keys,
no dates; and closer to YAML 1.2: `1e-4` is a number. A file from anywhere takes bounded time and memory: its size, its
nesting, the digits of a number, and the number of keys and values after expanding aliases are limited.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from normbench.config.problems import Problems
from normbench.config.tree import Exponent, KeyPath, Located, Place
from normbench.errors import ConfigError
from normbench.files import open_regular
from normbench.text import UNPRINTABLE, shortened

MAX_BYTES = 1_000_000
MAX_NODES = 10_000
MAX_DEPTH = 20
MAX_DIGITS = 1_000


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file. Raises ConfigError with one sentence if it cannot be read."""
    try:
        with open_regular(path) as file:  # a pipe without a writer would be waited for
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
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
    text: str, origin: str, problems: Problems, *, at: KeyPath = (), has_lines: bool = True
) -> Located | None:
    """The one document in `text`, or None if there is none.

    A fault that leaves the rest readable (a tag, a duplicate key) is added to `problems`, and its value is left out.
    Raises ConfigError for text that is not YAML, or that exceeds a limit. `at` is the key whose value the text is.
    Without `has_lines` places name `origin` only.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except _TooMuchError as error:
        line = error.line if has_lines else None
        raise ConfigError(f"{Place(origin, line)}: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark and has_lines else None
        raise ConfigError(f"{Place(origin, line)}: is not YAML: {_reason(error)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if has_lines else None
        raise ConfigError(f"{Place(origin, line)}: is not YAML: {error.reason} ({_character(error)})") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML's scanner passes on errors of int() and chr()
        raise ConfigError(f"{origin}: is not YAML: {error}") from None
    if root is None:
        return None
    return _Builder(origin, has_lines, loader.tagged, problems).build(root, _line(root), at)


def _reason(error: yaml.MarkedYAMLError) -> str:
    """The library's words; for the slips that are made most, what to do."""
    words = ", ".join(shortened(part, 200) for part in (error.context, error.problem) if part)
    if "'\\t'" in words:
        return "a tab stands where spaces are needed: indent with spaces"
    if "double-quoted" in words and ("escape" in words or "hexadecimal" in words):
        return "in double quotes a backslash begins an escape sequence: use single quotes, or slashes in a path"
    return words


class _TooMuchError(Exception):
    """A limit was exceeded at a line."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Composes nodes (never constructs objects), counts them, and notes the tags that were written."""

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
# Except for exponents, each pattern matches a subset of what PyYAML's own matches: text that safe_dump leaves unquoted
# is read back as text.
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
    """Turns nodes into located values. The content of an alias counts at each use: a YAML bomb ends at MAX_NODES."""

    def __init__(self, origin: str, has_lines: bool, tagged: Mapping[int, str], problems: Problems) -> None:
        self.origin, self.has_lines, self.tagged, self.problems = origin, has_lines, tagged, problems
        self.num_nodes = 0

    def build(self, node: yaml.Node, line: int, path: KeyPath) -> Located | None:
        """None for a node that was refused. `line` is the line of the node's key, or of the node without one."""
        place = Place(self.origin, line if self.has_lines else None)
        self.count(place)
        if len(path) > MAX_DEPTH:
            raise ConfigError(f"{place}: an alias holds itself, or nests deeper than {MAX_DEPTH} levels")
        if id(node) in self.tagged:
            tag = self.tagged[id(node)]
            self.problems.add(place, path, f"the tag {tag!r} is not allowed: write a plain value without a tag")
            return None
        if isinstance(node, yaml.MappingNode):
            return Located(self.build_mapping(node, path), place)
        if isinstance(node, yaml.SequenceNode):
            items = [self.build(item, _line(item), (*path, index)) for index, item in enumerate(node.value)]
            kept = [item for item in items if item is not None]
            return Located(kept, place) if len(kept) == len(items) else None
        if UNPRINTABLE.search(node.value):
            self.problems.add(
                place, path, f"text may not hold control characters or line breaks, found {shortened(repr(node.value))}"
            )
            return None
        try:
            return Located(_scalar(node.tag, node.value), place)
        except ValueError:
            self.problems.add(place, path, "the number has too many digits")
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
                self.problems.add(place, path, f"a key must be text, found {found}; quote it if it is meant as text")
            elif key == "<<":
                self.problems.add(
                    place, path, "merge keys ('<<') are not supported: write the keys out, or use 'extends'"
                )
            elif key in lines:
                where = f" first on line {lines[key]}" if self.has_lines else ""
                self.problems.add(place, (*path, key), f"the key is given twice,{where or ' and only one can count'}")
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


def _character(error: yaml.reader.ReaderError) -> str:
    return f"character U+{error.character:04X}" if isinstance(error.character, int) else "an unknown character"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1

"""JSON files as frozen models: what is wrong with a file is one sentence that names the key."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from normbench.text import ABOVE_SPACE, UNPRINTABLE, shortened

SCHEMA_VERSION = 1
MAX_DEPTH = 50
"""Levels of mappings and lists in one file."""
MAX_SHOWN = 120
"""Characters of a dotted key in a message."""
MAX_WHOLE = 2**63
MAX_LOSS = 3.41e38
"""A loss is computed in float32, which holds numbers up to 3.403e38."""
MAX_SECONDS = 1e9
"""Thirty years."""
MAX_FACTS, MAX_KEY, MAX_TEXT = 50, 60, 300
"""Facts of an environment, characters in the name of one, and in its text: a record is below `read.MAX_BYTES`."""
MAX_ENVIRONMENTS = 50
"""Environments that one run is remembered to have been trained in."""

# In JSON text a control character stands as itself or as an escape, which begins with a backslash.
_SUSPECT_IN_JSON = re.compile(rf"[\\{ABOVE_SPACE}]")


class Flaw(Exception):
    """What is wrong with the content of a file, without the file's name."""


class Part(BaseModel):
    """A mapping in a JSON file. Fields are strictly typed; keys that have no field are passed over."""

    model_config = ConfigDict(frozen=True, strict=True)


class Document(Part):
    """A whole JSON file."""

    schema_version: int = SCHEMA_VERSION

    way_back: ClassVar[str]
    """What a user does about a file of an older version."""

    @classmethod
    def key_of(cls, location: tuple[int | str, ...], content: Mapping[str, Any]) -> str:
        """The dotted key, as the file spells it, of the field at `location` in the model."""
        return ".".join(map(str, location))

    def to_dict(self) -> dict[str, Any]:
        """The content of the JSON file, in the file's order of keys."""
        return self.model_dump(mode="json")


Parsed = TypeVar("Parsed", bound=Document)


def parse(model: type[Parsed], text: str) -> Parsed:
    """The model that the JSON `text` describes.

    Raises Flaw: another schema, a key missing or of the wrong type, control characters, nested too deeply. ValueError
    or RecursionError: not JSON. OverflowError: a whole number that no float can hold.

    `json` reads the text, not pydantic's own parser: that one lets NaN and 1e999 into parts of any type.
    """
    content = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    _check_depth(content, text)
    _check_version(content, model.way_back)
    try:
        parsed = model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Flaw(_sentence(first, model.key_of(first["loc"], content))) from None
    if _SUSPECT_IN_JSON.search(text):  # rare: without a suspect, the walk over every value is saved
        _check_printable(content, "")
    return parsed


def flaw(text: str, key: str = "") -> PydanticCustomError:
    """What a validator raises. The message is the field's key, then `key` if the flaw is within the field, and `text`.

    The message of a whole document is `text` alone.
    """
    return PydanticCustomError("flaw", "{text}", {"text": text, "key": key})


def expected(what: str, found: object) -> PydanticCustomError:
    return flaw(f"expected {what}, found {_short(found)}")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise expected("a number", value)
    return value


def _fraction(value: Any) -> float:
    if not 0 <= _number(value) <= 1:
        raise flaw(f"{value} is not a fraction from 0 to 1")
    return value


def _from_0_to(most: float) -> Callable[[Any], float]:
    def number(value: Any) -> float:
        if not 0 <= _number(value) <= most:
            raise flaw(f"{value:g} is not a number from 0 to {most:g}")
        return value

    return number


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise expected("a whole number", value)
    if not 0 <= value < MAX_WHOLE:
        raise flaw(f"{_short(value)} is not a count")
    return value


def _list_of(kind: type, name: str) -> Callable[[Any], tuple[Any, ...]]:
    def items(value: Any) -> tuple[Any, ...]:
        is_sound = isinstance(value, list | tuple) and all(type(item) is kind for item in value)
        if not is_sound:
            raise expected(name, value)
        return tuple(value)

    return items


def _counts(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not all(type(count) is int for count in value.values()):
        raise expected("a mapping to whole numbers", value)
    return value


def _fractions(value: Any) -> dict[str, int | float]:
    if not isinstance(value, dict):
        raise expected("a mapping", value)
    if len(value) > MAX_FACTS:
        raise flaw(f"{len(value):,} keys, the most are {MAX_FACTS}")
    return {key: _fraction(item) for key, item in value.items()}


def _lists(value: Any) -> dict[str, tuple[Any, ...]]:
    if not isinstance(value, dict):
        raise expected("a mapping", value)
    for key, items in value.items():
        if not isinstance(items, list | tuple):
            raise flaw(f"expected a list, found {_short(items)}", key)
    return {key: tuple(items) for key, items in value.items()}


def _facts(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise expected("a mapping", value)
    if len(value) > MAX_FACTS:
        raise flaw(f"{len(value):,} keys, the most are {MAX_FACTS}")
    for key, fact in value.items():
        _check_fact(key, fact)
    return value


def _fact_lists(value: Any) -> dict[str, tuple[Any, ...]]:
    lists = _lists(value)
    for key, facts in lists.items():
        if len(facts) > MAX_ENVIRONMENTS:
            raise flaw(f"{len(facts):,} values, the most are {MAX_ENVIRONMENTS}", shortened(key))
        for fact in facts:
            _check_fact(key, fact)
    return lists


def _check_fact(key: Any, fact: Any) -> None:
    if not isinstance(key, str) or len(key) > MAX_KEY or UNPRINTABLE.search(key):
        raise flaw(f"a key is not printable text of at most {MAX_KEY} characters: {_short(key)}")
    if isinstance(fact, str):
        if UNPRINTABLE.search(fact):
            raise flaw(f"holds control characters: {_short(fact)}", key)
        if len(fact) > MAX_TEXT:
            raise flaw(f"{len(fact):,} characters, the most are {MAX_TEXT}", key)
    elif fact is not None and not (type(fact) is int and abs(fact) < MAX_WHOLE):
        raise flaw(f"expected text, a whole number or null, found {_short(fact)}", key)


# Validators before pydantic's own: an int stays an int, and a list of a million wrong items is one error.
Number = Annotated[int | float, BeforeValidator(_number)]
"""Finite."""
Fraction = Annotated[int | float, BeforeValidator(_fraction)]
"""From 0 to 1."""
Loss = Annotated[int | float, BeforeValidator(_from_0_to(MAX_LOSS))]
"""Mean cross-entropy, in nats."""
Seconds = Annotated[int | float, BeforeValidator(_from_0_to(MAX_SECONDS))]
Whole = Annotated[int, BeforeValidator(_whole)]
"""A count, from 0."""
Texts = Annotated[tuple[str, ...], BeforeValidator(_list_of(str, "a list of text"))]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_list_of(float, "a list of decimal numbers"))]
Wholes = Annotated[tuple[int, ...], BeforeValidator(_list_of(int, "a list of whole numbers"))]
Counts = Annotated[dict[str, int], BeforeValidator(_counts)]
Fractions = Annotated[dict[str, int | float], BeforeValidator(_fractions)]
Lists = Annotated[dict[str, tuple[Any, ...]], BeforeValidator(_lists)]
"""A list of anything by key."""
Facts = Annotated[dict[str, int | str | None], BeforeValidator(_facts)]
"""An environment: what is known of it, by name."""
FactLists = Annotated[dict[str, tuple[int | str | None, ...]], BeforeValidator(_fact_lists)]
"""By the name of a fact, the values that it had one after the other."""
Item = TypeVar("Item", bound=Part)
Parts = Annotated[tuple[Item, ...], Field(strict=False), FailFast()]
"""A list of mappings."""

_TYPE_NAMES = {
    "string_type": "text",
    "int_type": "a whole number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
}


def _sentence(error: ErrorDetails, key: str) -> str:
    key = shortened(key, MAX_SHOWN)
    match error["type"]:
        case "missing":
            return f"{key} is missing"
        case "flaw":
            place = ".".join(filter(None, (key, error["ctx"]["key"])))
            return f"{place}: {error['msg']}" if place else error["msg"]
        case "literal_error":
            return f"{key}: expected {error['ctx']['expected'].replace(chr(39), '')}, found {_short(error['input'])}"
        case kind:
            return f"{key}: expected {_TYPE_NAMES.get(kind, kind)}, found {_short(error['input'])}"


def _check_depth(content: Any, text: str) -> None:
    """Raises Flaw for content so deeply nested that a recursive walk could overflow the stack."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:  # most files: no need to look at each value
        return
    level = [content]
    for _ in range(MAX_DEPTH):
        inner = [value.values() if isinstance(value, dict) else value for value in level]
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
    if level:
        raise Flaw(f"nested deeper than {MAX_DEPTH} levels")


def _check_version(content: Any, way_back: str) -> None:
    if not isinstance(content, dict) or "schema_version" not in content:
        raise Flaw("not a record of normbench (no schema_version)")
    version = content["schema_version"]
    if isinstance(version, bool) or version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        way_out = "a newer normbench wrote it: upgrade" if newer else way_back
        raise Flaw(f"schema_version {_short(version)}: this normbench reads {SCHEMA_VERSION}; {way_out}")


def _check_printable(value: Any, key: str) -> None:
    if isinstance(value, str):
        if UNPRINTABLE.search(value):
            raise Flaw(f"{shortened(key, MAX_SHOWN) or 'a key'}: holds control characters: {_short(value)}")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_printable(name, "")
            _check_printable(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for inner in value:
            _check_printable(inner, key)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shortened(text)} is more than a number can be")
    return number


def _short(value: object) -> str:
    return shortened(repr(value))

"""The sentence about a value of the wrong type or range: what is allowed, and what was found."""

import re
from collections.abc import Iterable, Mapping

from pydantic_core import ErrorDetails

from normbench.text import shortened, unknown_name

_ALLOWED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_unicode": "text that can be written as UTF-8",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "none_required": "null",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}


def shown(value: object) -> str:
    """A value as YAML would write it, shortened; a mapping or list is named, not written out."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return shortened(repr(value) if isinstance(value, str) else str(value))


def describe(errors: Iterable[ErrorDetails], found: object) -> str:
    """One sentence for pydantic's errors about one value; there are several for the branches of a union."""
    allowed: list[str] = []
    for error in errors:
        kind, context = error["type"], error.get("ctx", {})
        if kind == "literal_error" and isinstance(found, str):
            return unknown_name("value", found, re.findall(r"'([^']*)'", str(context["expected"])))
        if kind == "literal_error":
            allowed.append(f"one of {context['expected']}")
        elif kind == "value_error":
            return f"{context['error']}, found {shown(found)}"
        elif kind == "too_long":
            return f"must be at most {context['max_length']} long, found {context['actual_length']:,}"
        elif kind in _BOUNDS:
            name, words = _BOUNDS[kind]
            allowed.append(f"{words} {context[name]:,}")
        else:
            allowed.append(_ALLOWED.get(kind) or f"valid ({error['msg']})")
    return f"must be {' or '.join(dict.fromkeys(allowed))}, found {shown(found)}{_cure(found)}"


def _cure(found: object) -> str:
    """What to do about text that is meant as a number."""
    if isinstance(found, str) and re.fullmatch(r"[-+]?\d+,\d+", found):
        return f"; write {found.replace(',', '.')}"
    if isinstance(found, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", found):
        return ", which is text, because of its quotes: leave them out"
    return ""

"""Functions whose options and docstring are known before their module is imported.

The registries name functions of modules that import torch, which takes seconds. A config's names and options are
checked first, and `normbench norms` and a shell's completion need nothing else. So a registry reads the source of its
functions, and a module is imported when its function is called.
"""

import ast
import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.util import find_spec
from typing import Any

_TYPES = {kind.__name__: kind for kind in (bool, int, float, str)} | {"int | None": int | None}


def deferred(module: str, name: str) -> Callable[..., Any]:
    """The function `name` of `module`, which is imported when the function is called.

    Its signature holds the function's keyword-only parameters, which are its options. They are read from the source,
    so a type is bool, int, float or str, a tuple of these or `int | None`, and a default is a literal.
    """

    def call(*args: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*args, **options)

    definition = _functions(module)[name]
    call.__doc__ = ast.get_docstring(definition)
    call.__signature__ = inspect.Signature(_options(definition))  # type: ignore[attr-defined]
    return call


@cache
def _functions(module: str) -> dict[str, ast.FunctionDef]:
    spec = find_spec(module)
    assert spec is not None and isinstance(spec.loader, InspectLoader), module
    source = spec.loader.get_source(module)
    assert source is not None, f"{module} comes without its source"
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def _options(definition: ast.FunctionDef) -> list[inspect.Parameter]:
    arguments = definition.args
    return [
        inspect.Parameter(
            option.arg,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is None else ast.literal_eval(default),
            annotation=_type(option.annotation or ast.Name("missing")),
        )
        for option, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]


def _type(annotation: ast.expr) -> Any:
    """`float`, `tuple[float, float]`, `tuple[int, ...]` and their like. Raises KeyError for another type."""
    match annotation:
        case ast.Constant(value) if value is Ellipsis:
            return ...
        case ast.Subscript(value=ast.Name("tuple"), slice=ast.Tuple(items)):
            return tuple[*map(_type, items)]  # type: ignore[misc]  # made at run time
        case _:
            return _TYPES[ast.unparse(annotation)]

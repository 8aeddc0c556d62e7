"""How Sphinx builds these pages: `sphinx-build -W docs build/docs`."""

import inspect
import re
import shutil
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx

import normbench
from normbench.norms import NORMS

ROOT = Path(__file__).parents[1]
ROOT_PAGES = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
"""Pages that people look for at the top of the repository."""

project = "normbench"
author = "The normbench authors"
copyright = author
release = version = normbench.__version__

extensions = [
    "myst_parser",  # the pages are Markdown
    "sphinx.ext.autodoc",  # the API pages are the docstrings
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",  # links to PyTorch's documentation
]
exclude_patterns = ["_templates"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = "normbench"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3  # `page.md#a-heading` links, as on a code host

autosummary_generate = True
autodoc_default_options = {"members": True, "ignore-module-all": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True


def torch_inventory() -> str:
    """Writes the inventory of PyTorch's pages that `torch_objects.txt` lists, so that a build needs no network."""
    lines = (Path(__file__).parent / "torch_objects.txt").read_text(encoding="utf-8").splitlines()
    entries = "".join(f"{name} py:{kind} 1 generated/{name}.html#$ -\n" for kind, name in map(str.split, lines))
    head = b"# Sphinx inventory version 2\n# Project: PyTorch\n# Version:\n# The remainder is compressed using zlib.\n"
    path = Path(__file__).parent / "torch.inv"
    path.write_bytes(head + zlib.compress(entries.encode()))
    return str(path)


shutil.rmtree(Path(__file__).parent / "api" / "generated", ignore_errors=True)  # may name modules that are gone
intersphinx_mapping = {"torch": ("https://docs.pytorch.org/docs/stable/", torch_inventory())}


def fill_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Puts in what a page takes from elsewhere, and lets links to files outside of `docs/` download them."""
    if docname in ROOT_PAGES:
        text = (ROOT / ROOT_PAGES[docname]).read_text(encoding="utf-8")
        source[0] = text.replace("](docs/", "](").replace("](CHANGELOG.md)", "](changelog.md)")
    if docname == "norms":
        sections = "\n\n".join(f"### `{name}`\n\n{_as_markdown(norm)}" for name, norm in NORMS.items())
        source[0] = source[0].replace("<!-- the docstrings of NORMS -->", sections)
    source[0] = re.sub(r"(?<!!)\[`?([^\]`]+)`?\]\((\.\./[^)]+)\)", r"{download}`\1 <\2>`", source[0])


def _as_markdown(norm: Callable[..., object]) -> str:
    """The docstring of a norm and its options; `_`, `*` and `<` of formulas as they are, papers as links."""
    parts = re.split(r"(`+[^`]+`+)", inspect.getdoc(norm) or "")
    text = "".join(part if index % 2 else re.sub(r"([*_<])", r"\\\1", part) for index, part in enumerate(parts))
    options = ", ".join(f"`{name} = {option.default}`" for name, option in inspect.signature(norm).parameters.items())
    papers = re.sub(r"arXiv:(\d{4}\.\d{5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return f"{papers}\n\nOptions: {options or 'none'}."


def docstring_as_rst(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings here are plain text with code in backticks; reStructuredText reads more into `*`, `|` and `_`.

    A paragraph with hanging lines is a list, an item for each line that is not indented; so are the lines of "Args:".
    """
    paragraphs = "\n".join(map(_line_as_rst, lines)).split("\n\n")
    lines[:] = "\n\n".join(map(_paragraph_as_rst, paragraphs)).splitlines()


def _line_as_rst(line: str) -> str:
    code_and_text = re.split(r"(`+[^`]+`+)", line)
    return "".join(
        f"``{part.strip('`')}``" if index % 2 else re.sub(r"([*|\\]|_\b|_$)", r"\\\1", part)
        for index, part in enumerate(code_and_text)
    )


def _paragraph_as_rst(text: str) -> str:
    head, _, rest = text.partition("\n")
    if re.fullmatch(r"[A-Z]\w+:", head) and rest.startswith(" "):
        inner = textwrap.dedent(rest)
        is_named = re.match(r"[\\*\w, ]+:", inner)
        return f"{head}\n\n{_list(inner) if is_named else inner}"
    return text if text.startswith(" ") or "\n " not in text else _list(text)


def _list(text: str) -> str:
    return "\n".join(f"- {item}" for item in re.sub(r"\n +", " ", text).splitlines())


def setup(app: Sphinx) -> None:
    app.connect("source-read", fill_page)
    app.connect("autodoc-process-docstring", docstring_as_rst)

"""Links and pictures of the README, the docs and the results lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/**/*.md", "results/published/**/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(without_code(text)) if not re.match(r"https?://|mailto:", link)]
    lost = [link for link in links if not leads_somewhere(page, link)]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_path_of_the_repository_exists(page: Path) -> None:
    """`tests/...`, `normbench/...` and the like in running text."""
    named = re.findall(r"`((?:normbench|tests|configs|docs|examples)/[\w./-]*)`", without_code(page.read_text("utf-8")))
    lost = [name for name in named if not (ROOT / name).exists()]
    assert not lost


def leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """The headings' anchors as code hosts make them, and the labels that a page gives itself."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_every_figure_says_what_it_shows() -> None:
    unsaid = [(page.name, link) for page in PAGES for link in re.findall(r"!\[\]\(([^)]+)\)", page.read_text())]
    assert not unsaid

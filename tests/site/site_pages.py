"""The pages of the built site, what each weighs, and how a test names them."""

import gzip
import re
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup, SoupStrainer, Tag

from build import SITE

PACKED = {".html", ".css", ".js", ".json", ".svg", ".txt"}
"""Kinds of files that every web host compresses on the way."""

SHARED_BYTES = 900_000
TEXT_PAGE_BYTES = 300_000
INTERACTIVE_PAGE_BYTES = 1_000_000
"""What a reader may have to fetch: once for all pages, and then for one page."""

ENTRANCE = SITE / "index.html"
"""The page that only leads to the first one."""

PAGES = sorted(p for p in SITE.rglob("*.html") if SITE / "_static" not in p.parents)
PAGES = [path for path in PAGES if path != ENTRANCE]
CONTENT = [path for path in PAGES if SITE / "book" in path.parents]
"""Every page, and those with text of the book on them."""

SOURCES = [path for path in PAGES if SITE / "_modules" in path.parents]
VISITED = [path for path in PAGES if path not in SOURCES or path in (SOURCES[0], SOURCES[-1])]
"""Pages a browser visits: of the coloured copies of the package's source, two stand for all."""


def name(path: Path) -> str:
    """A page's name in test ids."""
    return str(path.relative_to(SITE))


@cache
def soup(path: Path) -> BeautifulSoup:
    """A parsed page."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages_with(kind: str) -> list[tuple[Path, list[Tag]]]:
    """Pages of the book with elements of a class, and these elements; nothing else is parsed."""
    only = SoupStrainer(class_=re.compile(rf"(^|\s){kind}(\s|$)"))
    found = []
    for path in CONTENT:
        text = path.read_text(encoding="utf-8")
        if f'class="{kind}' in text:
            tags = BeautifulSoup(text, "html.parser", parse_only=only).select(f".{kind}")
            found.append((path, tags))
    return [(path, tags) for path, tags in found if tags]


@cache
def transferred(path: Path) -> int:
    """Bytes that travel for a file: compressed, where a web host compresses it."""
    stored = path.read_bytes()
    return len(gzip.compress(stored, 6)) if path.suffix in PACKED else len(stored)


def is_shared(path: Path) -> bool:
    """Whether a file is fetched once and then used by all pages."""
    return SITE / "_static" in path.parents


def is_interactive(path: Path) -> bool:
    """Whether a page has a figure that moves, and may weigh more for it."""
    return soup(path).select_one("figure.course-frames, [data-frames]") is not None

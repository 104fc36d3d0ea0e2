"""The built site: words for every picture, links that lead somewhere, pages of bounded weight."""

import gzip
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

import audit
from build import SITE
from chapters import find_chapters

TEXT_PAGE_BYTES = 300_000
INTERACTIVE_PAGE_BYTES = 1_000_000


PAGES = sorted((SITE / "book").rglob("*.html"))
assert PAGES, "no site in _build/html: run make book first"


@cache
def soup(path: Path) -> BeautifulSoup:
    """A parsed page."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def name(path: Path) -> str:
    """A page's name in test ids."""
    return str(path.relative_to(SITE))


@cache
def anchors(path: Path) -> frozenset[str]:
    """Ids a link may point to."""
    return frozenset(tag["id"] for tag in soup(path).find_all(id=True))


def test_every_chapter_has_its_page():
    for chapter in find_chapters():
        assert (SITE / "book" / f"{chapter.name}.html").exists()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_picture_has_words_that_say_what_to_see(path):
    pictures = soup(path).select("article img, article svg[role=img]")
    for picture in pictures:
        words = picture.get("alt") or picture.get("aria-label") or picture.get_text(" ")
        assert audit.good_alt(words), f"{str(picture)[:200]}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_internal_links_lead_somewhere(path):
    for link in soup(path).select("article a[href]"):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        assert target.exists(), link["href"]
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in anchors(target), link["href"]


def own_bytes(path: Path) -> int:
    """Bytes a reader fetches for this page beyond what all pages share: HTML and its pictures."""
    own = len(gzip.compress(path.read_bytes()))
    for picture in {tag["src"] for tag in soup(path).select("article img[src]")}:
        if not picture.startswith("data:"):
            file = path.parent / picture
            packed = file.suffix == ".svg"
            own += len(gzip.compress(file.read_bytes())) if packed else file.stat().st_size
    return own


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_page_weight(path):
    interactive = soup(path).select_one("figure.frames, [data-frames]") is not None
    limit = INTERACTIVE_PAGE_BYTES if interactive else TEXT_PAGE_BYTES
    size = own_bytes(path)
    sys.stdout.write(f"{name(path)}: {size / 1000:.0f} kB\n")
    assert size <= limit

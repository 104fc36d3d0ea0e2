"""The built site as files: words for every picture, links that lead somewhere, nothing foreign."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from site_pages import (
    CONTENT,
    ENTRANCE,
    INTERACTIVE_PAGE_BYTES,
    PAGES,
    TEXT_PAGE_BYTES,
    is_interactive,
    name,
    soup,
    transferred,
)

import audit
import links
from build import SITE
from chapters import find_chapters

assert CONTENT, "no site in _build/html: run make book first"

LOADING = {
    "script": ["src"],
    "link": ["href"],
    "img": ["src", "srcset"],
    "source": ["src", "srcset"],
    "iframe": ["src"],
    "video": ["src", "poster"],
    "audio": ["src"],
    "object": ["data"],
    "embed": ["src"],
    "image": ["href", "xlink:href"],
    "use": ["href", "xlink:href"],
}
"""Elements and attributes that make a browser fetch something by itself."""

NOT_FETCHED = {"canonical", "next", "prev", "index", "search", "author", "license"}
"""Relations of a ``<link>`` that only tell where something is."""


@cache
def anchors(path: Path) -> frozenset[str]:
    """Ids a link may point to."""
    return frozenset(tag["id"] for tag in soup(path).find_all(id=True))


def test_every_chapter_has_its_page():
    for chapter in find_chapters():
        assert (SITE / "book" / f"{chapter.name}.html").exists()


def test_the_entrance_leads_to_the_first_page():
    where = re.search(r"url=([^\"']+)", ENTRANCE.read_text("utf-8"))
    assert (ENTRANCE.parent / where[1]).is_file()


@pytest.mark.parametrize("path", CONTENT, ids=name)
def test_every_picture_has_words_of_its_own_that_say_what_to_see(path):
    pictures = soup(path).select("article img, article svg[role=img]")
    texts = [p.get("alt") or p.get("aria-label") or p.get_text(" ") for p in pictures]
    assert [text for text in texts if not audit.good_alt(text)] == []
    assert [text for text, times in Counter(texts).items() if times > 1] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_internal_links_lead_somewhere(path):
    for link in soup(path).select("a[href]"):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        assert target.is_file(), link["href"]
        assert target.is_relative_to(SITE), link["href"]
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in anchors(target), link["href"]


@pytest.mark.parametrize("path", CONTENT, ids=name)
def test_a_link_in_the_text_is_no_button(path):
    """``href="#"`` or no address at all: a thing to press has to be a ``<button>``."""
    empty = soup(path).select('article a:not([href]), article a[href=""], article a[href="#"]')
    assert [str(link)[:120] for link in empty] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_an_id_stands_once(path):
    ids = Counter(tag["id"] for tag in soup(path).find_all(id=True))
    assert [found for found, times in ids.items() if times > 1] == []


def foreign(address: str) -> bool:
    """Whether an address leads away from the site's own origin."""
    return bool(urlsplit(address.strip()).netloc)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_page_loads_nothing_from_elsewhere(path):
    fetched = []
    for element, attributes in LOADING.items():
        for tag in soup(path).find_all(element):
            if not NOT_FETCHED & set(tag.get("rel", [])):
                fetched += [tag[a] for a in attributes if tag.get(a)]
    styles = [tag["style"] for tag in soup(path).find_all(style=True)]
    styles += [tag.get_text() for tag in soup(path).find_all("style")]
    fetched += [url for style in styles for url in stylesheet_addresses(style)]
    assert [address for address in fetched if foreign(address)] == []
    for address in fetched:
        own = unquote(urlsplit(address).path)
        if own and not address.startswith("data:"):
            assert (path.parent / own).resolve().is_file(), address


def stylesheet_addresses(text: str) -> list[str]:
    """What a style sheet fetches."""
    found = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text)
    return [first or second for first, second in found]


SHEETS = sorted((SITE / "_static").rglob("*.css"))


@pytest.mark.parametrize("path", SHEETS, ids=name)
def test_a_style_sheet_loads_nothing_from_elsewhere(path):
    addresses = stylesheet_addresses(path.read_text("utf-8"))
    assert [address for address in addresses if foreign(address)] == []


def own_bytes(path: Path) -> int:
    """Bytes of a page and all its pictures, fetched or still waiting to be."""
    own = transferred(path)
    tags = soup(path).select("article img, article source, article [data-src]")
    pictures = {tag[a] for tag in tags for a in ("src", "data-src") if tag.get(a)}
    return own + sum(
        transferred(path.parent / unquote(urlsplit(picture).path))
        for picture in pictures
        if not picture.startswith("data:")
    )


@pytest.mark.parametrize("path", CONTENT, ids=name)
def test_page_weight(path):
    limit = INTERACTIVE_PAGE_BYTES if is_interactive(path) else TEXT_PAGE_BYTES
    assert own_bytes(path) <= limit


def test_links_to_elsewhere_are_listed_by_host(tmp_path, capsys):
    page = tmp_path / "a.html"
    page.write_text(
        '<a href="https://b.org/x#y">1</a> <a href="https://b.org/x">2</a> <a href="c.html">3</a>'
        '<a href="//a.org/">4</a> <a href="mailto:a@b.org">5</a> <a href="#here">6</a>'
    )
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "part.html").write_text('<a href="https://c.org">theme</a>')
    found = links.external_links(links.pages(tmp_path), tmp_path)
    assert found == {"//a.org/": ["a.html"], "https://b.org/x": ["a.html"]}
    assert links.report(found).splitlines() == [
        "a.org: 1",
        "  //a.org/   (a.html)",
        "b.org: 1",
        "  https://b.org/x   (a.html)",
    ]
    assert links.main(["--out", str(tmp_path / "list.txt")]) == 0
    assert "addresses outside the site, listed in" in capsys.readouterr().out
    assert "doi.org" in (tmp_path / "list.txt").read_text()

"""The built site as one page, ready for the printer: cover, contents, chapters, links within.

Every id gets the name of its page in front, so that ids stay unique, and every link from page to
page becomes a link within. Headings move down by the depth of their page, so that the outline of
the PDF is the book's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

_POINTERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
_CLUTTER = "script, link, .headerlink, .copybtn, .check-print, .visually-hidden:empty"


@dataclass(frozen=True)
class Entry:
    """A page of the book, or the caption of a part.

    Attributes:
        depth: 0 for the landing page and captions, 1 for what stands below, and so on.
        page: The document's name, or an empty text for a caption.
        caption: The part's caption.
    """

    depth: int
    page: str = ""
    caption: str = ""


@dataclass
class Book:
    """The assembled page.

    Attributes:
        html: The whole document.
        chapters: Pages in it.
        missing: Links within the book whose target does not exist.
    """

    html: str
    chapters: int
    missing: list[str] = field(default_factory=list)


def entries(toc: Path) -> list[Entry]:
    """The pages of ``_toc.yml`` in reading order."""
    content = yaml.safe_load(toc.read_text(encoding="utf-8"))
    found = [Entry(0, content["root"])]
    for part in content.get("parts", [content]):
        if part.get("caption"):
            found.append(Entry(0, caption=part["caption"]))
        found += _below(part.get("chapters", []), 1)
    return found


def _below(items: list[dict], depth: int) -> Iterator[Entry]:
    for item in items:
        if "file" in item:
            yield Entry(depth, str(item["file"]).removesuffix(".md"))
        yield from _below(item.get("sections", []), depth + 1)


def slug(page: str) -> str:
    """A page's name as an id: ``book/week01/chain_rule`` gives ``week01-chain_rule``."""
    return re.sub(r"[^\w-]", "-", page.removeprefix("book/"))


class Assembly:
    """Takes the articles of a built site and turns them into chapters of one page."""

    def __init__(self, site: Path, toc: Path, address: str):
        self.site, self.address = site, address
        self.entries = entries(toc)
        self.pages = {entry.page for entry in self.entries if entry.page}
        self.ids: set[str] = set()
        self.styles: list[str] = []
        self.settings = ""

    def chapter(self, entry: Entry) -> Tag:
        """One page as a ``section``; its head's style sheets and MathJax settings are noted."""
        text = (self.site / f"{entry.page}.html").read_text(encoding="utf-8")
        tree = BeautifulSoup(text, "html.parser")
        self._note_head(tree, entry.page)
        article = tree.select_one("article.bd-article")
        for clutter in article.select(_CLUTTER):
            clutter.decompose()
        article.name, name = "section", slug(entry.page)
        self._rename(article, name)
        article.attrs = {"id": name, "class": f"bd-article chapter depth-{entry.depth}"}
        self.ids |= {name} | {tag["id"] for tag in article.find_all(id=True)}
        self._lead(article, entry.page)
        self._open(article)
        self._answers_last(article, name)
        for heading in article.find_all(re.compile("^h[1-6]$")):
            level = int(heading.name[1])
            heading["class"] = [*heading.get("class", []), f"level-{level}"]
            heading.name = f"h{min(6, level + entry.depth)}"
        return article

    def _note_head(self, tree: BeautifulSoup, page: str) -> None:
        for sheet in tree.select("head link[rel=stylesheet], link[rel=stylesheet]"):
            found = self._local(sheet["href"], page)
            if found and found not in self.styles:
                self.styles.append(found)
        for script in tree.find_all("script", src=False):
            if "window.MathJax" in script.get_text():
                self.settings = script.get_text()

    def _local(self, href: str, page: str) -> str | None:
        """A relative address seen from the root of the site; ``None`` for one elsewhere."""
        parts = urlsplit(href)
        if parts.scheme or parts.netloc:
            return None
        return urlsplit(urljoin(f"https://x/{page}.html", href)).path.lstrip("/")

    def _rename(self, article: Tag, name: str) -> None:
        for tag in article.find_all(id=True):
            tag["id"] = f"{name}--{tag['id']}"
        for pointer in _POINTERS:
            for tag in article.find_all(attrs={pointer: True}):
                tag[pointer] = " ".join(f"{name}--{one}" for one in tag[pointer].split())

    def _lead(self, article: Tag, page: str) -> None:
        """Links to pages of the book stay within, other files are on the published site."""
        for link in article.select("a[href]"):
            local = self._local(link["href"], page)
            if local is None:
                continue
            target, fragment = local.removesuffix(".html"), unquote(urlsplit(link["href"]).fragment)
            if target in self.pages:
                anchor = f"{slug(target)}--{fragment}" if fragment else slug(target)
                link["href"] = f"#{anchor}"
            else:
                link["href"] = urljoin(self.address, local) + (f"#{fragment}" if fragment else "")
        for tag in article.select("[src]"):
            tag["src"] = self._local(tag["src"], page) or tag["src"]
            tag.attrs.pop("loading", None)

    def _open(self, article: Tag) -> None:
        for fold in article.select("details"):
            fold["open"] = ""
        for box in article.select(".toggle-hidden, .dropdown"):
            box["class"] = [c for c in box["class"] if c not in ("toggle-hidden", "dropdown")]

    def _answers_last(self, article: Tag, name: str) -> None:
        """The solutions of knowledge checks, which the site folds, end the chapter."""
        soup = BeautifulSoup("", "html.parser")
        answers = soup.new_tag("div", attrs={"class": "answers"})
        for folded in article.select("fieldset noscript"):
            title = soup.new_tag("p", attrs={"class": "answer-to"})
            title.string = folded.find_parent("fieldset").legend.get_text(strip=True)
            answers.append(title)
            folded.extract()
            found = folded.find(["ol", "ul"])
            answers.extend([found.extract()] if found else list(folded.children))
        if answers.contents:
            heading = soup.new_tag("h2", id=f"{name}--answers")
            heading.string = "Answers to the questions"
            answers.insert(0, heading)
            article.append(answers)

    def missing(self, chapters: list[Tag]) -> list[str]:
        """Links within the book that lead nowhere."""
        links = (link["href"] for chapter in chapters for link in chapter.select("a[href]"))
        return sorted({href for href in links if href[0] == "#" and href[1:] not in self.ids})


def contents(chapters: list[Tag]) -> str:
    """The table of contents; each number is filled in when the pages are known."""
    lines = []
    for chapter in chapters:
        headings = chapter.select(".level-1, .level-2") if "chapter" in chapter["class"] else []
        for heading in headings if headings else [chapter]:
            holder = heading if heading.get("id") else heading.find_parent(id=True)
            level = int(heading["class"][-1][-1]) if headings else 0
            words = heading.decode_contents() if headings else chapter.get_text(strip=True)
            words = re.sub(r"</?a\b[^>]*>", "", words)
            lines.append(
                f'<li class="toc-{level}"><a href="#{holder["id"]}"><span>{words}</span>'
                f'<span class="toc-page" data-target="{holder["id"]}">000</span></a></li>'
            )
    return f'<nav class="book-contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>'


def assemble(site: Path, root: Path, address: str) -> Book:
    """Put the built site together.

    Args:
        site: The folder of the built site.
        root: The folder that holds ``_toc.yml`` and ``_config.yml``.
        address: Where the site is published.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    work = Assembly(site, root / "_toc.yml", address)
    parts: list[Tag] = []
    for entry in work.entries:
        if entry.page:
            parts.append(work.chapter(entry))
            continue
        soup = BeautifulSoup("", "html.parser")
        caption = soup.new_tag("h1", id=f"part-{slug(entry.caption).lower()}")
        caption["class"], caption.string = ["part", "level-0"], entry.caption
        parts.append(caption)
    chapters = [part for part in parts if part.name == "section"]
    styles = "".join(f'<link rel="stylesheet" href="/{name}">' for name in work.styles)
    author, title = config.get("author", ""), config["title"]
    body = "".join(map(str, parts))
    cover = (
        f'<header class="cover"><p class="cover__title">{title}</p>'
        f'<p class="cover__author">{author}</p>'
        f'<p class="cover__where">The book moves and answers at <a href="{address}">{address}</a>.'
        "</p></header>"
    )
    html = (
        f'<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"<title>{title}</title>{styles}"
        '<link rel="stylesheet" href="/_static/whole_book.css">'
        f"<script>{work.settings}</script>"
        '<script src="/_static/mathjax/tex-chtml.js"></script></head>'
        f'<body class="whole-book"><main class="bd-content">{cover}{contents(parts)}{body}'
        "</main></body></html>"
    )
    return Book(html, len(chapters), work.missing(chapters))

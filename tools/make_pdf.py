"""The whole book as one PDF with a table of contents, an outline and links that work.

    python tools/make_pdf.py        prints the built site to _build/pdf/course.pdf

The site has to be built. It is put on one page and printed twice by headless Chromium: the first
time tells on which page each heading stands, the second one says so in the contents. The result is
read back and checked.
"""

import re
import sys
import time
from io import BytesIO
from pathlib import Path

import yaml

from browser import HOST, Missing, open_page, settle
from build import SITE
from chapters import BUILD, ROOT
from one_page import Book, assemble

sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course_launch import site_address

TARGET = BUILD / "pdf" / "course.pdf"
_PAPER = {"prefer_css_page_size": True, "print_background": True, "tagged": True, "outline": True}
_FILL = """(pages) => document.querySelectorAll(".toc-page").forEach((place) => {
    place.textContent = pages[place.dataset.target] ?? "";
})"""


def page_numbers(pdf: bytes) -> dict[str, int]:
    """The page, counted from 1, of every place in the PDF that a link leads to."""
    reader = _reader(pdf)
    pages = {page.indirect_reference.idnum: n for n, page in enumerate(reader.pages, start=1)}
    places = reader.named_destinations.items()
    return {name.lstrip("/"): pages[place.page.idnum] for name, place in places}


def print_book(book: Book, site: Path) -> bytes:
    """Print the assembled page; the contents name the pages."""
    with open_page(site, {"whole-book.html": book.html}) as page:
        page.goto(f"http://{HOST}/whole-book.html")
        settle(page)
        page.evaluate(_FILL, page_numbers(page.pdf(**_PAPER)))
        return page.pdf(**_PAPER)


def faults(pdf: bytes, book: Book) -> list[str]:
    """One line for each thing that is wrong with the finished PDF."""
    reader = _reader(pdf)
    found = [f"a link leads nowhere: {href}" for href in book.missing]
    places = set(page_numbers(pdf))
    for number, page in enumerate(reader.pages, start=1):
        text = page.extract_text()
        if re.search(r"\$\$|\\\(|\\\[|\\begin\{", text) and "```" not in text:
            found.append(f"page {number}: a formula that was not typeset")
        for link in page.get("/Annots") or []:
            place = link.get_object().get("/Dest")
            if isinstance(place, str) and place.lstrip("/") not in places:
                found.append(f"page {number}: a link leads nowhere: {place}")
    titles = len(_titles(reader.outline))
    if titles < book.chapters:
        found.append(f"the outline has {titles} entries, the book has {book.chapters} pages")
    return found


def _titles(outline: list) -> list[str]:
    flat = []
    for entry in outline:
        flat += _titles(entry) if isinstance(entry, list) else [str(entry.title)]
    return flat


def _reader(pdf: bytes):
    try:
        from pypdf import PdfReader
    except ImportError:
        raise Missing("no pypdf: pip install pypdf") from None
    return PdfReader(BytesIO(pdf))


def main() -> int:
    """Print the book; return the exit code."""
    start = time.perf_counter()
    if not (SITE / "book" / "index.html").is_file():
        print("no site in _build/html: run make book first", file=sys.stderr)
        return 2
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    try:
        book = assemble(SITE, ROOT, site_address(config["repository"]["url"]))
        pdf = print_book(book, SITE)
        wrong = faults(pdf, book)
    except Missing as error:
        print(error, file=sys.stderr)
        return 2
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(pdf)
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    seconds, size = time.perf_counter() - start, len(pdf) / 1e6
    print(
        f"{TARGET.relative_to(ROOT)}: {book.chapters} pages of the site on "
        f"{len(_reader(pdf).pages)} sheets, {size:.1f} MB, {seconds:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

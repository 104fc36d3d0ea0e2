"""The whole book on one page: ids, links, headings, answers; then printed and read back."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import browser
import make_pdf
import one_page

ADDRESS = "https://someone.github.io/lessons/"
TOC = """
format: jb-book
root: book/index
parts:
  - caption: Part one
    chapters:
      - file: book/week/first
        sections:
          - file: book/week/second.md
"""
PAGE = """<html><head><link rel="stylesheet" href="{up}_static/a.css?v=1">
<script>window.MathJax = {{"tex": {{}}}}</script></head><body><nav>Navigation</nav>
<article class="bd-article">{body}<script>alert(1)</script></article></body></html>"""
INDEX = """<section id="top"><h1>Home<a class="headerlink" href="#top">#</a></h1>
<p><a href="week/first.html#equation-one">(1)</a> <a href="week/second.html">second</a>
<a href="../_downloads/x.txt">file</a> <a href="https://example.org/a">out</a></p></section>"""
FIRST = """<section id="top"><h1>First <em>page</em></h1><section id="part"><h2>A part</h2>
<div id="equation-one">x</div><img src="../../_images/a.png" loading="lazy" alt="a">
<details><summary>Solution</summary><p>Folded text.</p></details>
<label for="field">Name</label><input id="field" aria-describedby="part top">
<fieldset class="check"><legend>Question 1</legend><p>Which?</p>
<noscript><details><summary>Solution</summary><ul><li>The right one.</li></ul></details></noscript>
</fieldset></section></section>"""
SECOND = """<section id="top"><h1>Second</h1><p><a href="first.html#part">back</a>
<a href="#top">up</a></p></section>"""


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with a table of contents and a built site of three pages."""
    files = {
        "_toc.yml": TOC,
        "_config.yml": "title: A book\nauthor: Somebody\n",
        "html/book/index.html": PAGE.format(up="../", body=INDEX),
        "html/book/week/first.html": PAGE.format(up="../../", body=FIRST),
        "html/book/week/second.html": PAGE.format(up="../../", body=SECOND),
        "html/_static/a.css": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def book(root) -> one_page.Book:
    return one_page.assemble(root / "html", root, ADDRESS)


@pytest.fixture
def page(book) -> BeautifulSoup:
    return BeautifulSoup(book.html, "html.parser")


def test_pages_stand_in_the_order_of_the_contents(root, book, page):
    assert one_page.entries(root / "_toc.yml") == [
        one_page.Entry(0, "book/index"),
        one_page.Entry(0, caption="Part one"),
        one_page.Entry(1, "book/week/first"),
        one_page.Entry(2, "book/week/second"),
    ]
    assert [tag["id"] for tag in page.select(".chapter")] == ["index", "week-first", "week-second"]
    assert book.chapters == 3
    assert "Navigation" not in book.html and "alert" not in book.html
    assert not page.select(".headerlink")


def test_ids_are_unique_and_pointers_follow_them(page):
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    field = page.find(id="week-first--field")
    assert page.label["for"] == "week-first--field"
    assert field["aria-describedby"] == "week-first--part week-first--top"


def test_links_stay_within_the_book_and_files_are_on_the_site(book, page):
    links = {link.get_text(): link["href"] for link in page.select(".chapter a")}
    assert links == {
        "(1)": "#week-first--equation-one",
        "second": "#week-second",
        "file": f"{ADDRESS}_downloads/x.txt",
        "out": "https://example.org/a",
        "back": "#week-first--part",
        "up": "#week-second--top",
    }
    assert book.missing == []
    assert page.select_one(".chapter img").attrs == {"src": "_images/a.png", "alt": "a"}


def test_a_link_that_leads_nowhere_is_named(root):
    path = root / "html/book/week/second.html"
    path.write_text(path.read_text().replace("first.html#part", "first.html#gone"))
    assert one_page.assemble(root / "html", root, ADDRESS).missing == ["#week-first--gone"]


def test_headings_move_down_by_the_depth_of_their_page(page):
    shown = [(tag.name, tag.get_text()) for tag in page.find_all(re.compile("^h[1-6]$"))]
    assert shown == [
        ("h1", "Contents"),
        ("h1", "Home"),
        ("h1", "Part one"),
        ("h2", "First page"),
        ("h3", "A part"),
        ("h3", "Answers to the questions"),
        ("h3", "Second"),
    ]


def test_contents_list_parts_pages_and_sections(page):
    lines = [
        (item["class"][0], item.span.get_text(), item.a["href"])
        for item in page.select(".book-contents li")
    ]
    assert lines == [
        ("toc-1", "Home", "#index--top"),
        ("toc-0", "Part one", "#part-part-one"),
        ("toc-1", "First page", "#week-first--top"),
        ("toc-2", "A part", "#week-first--part"),
        ("toc-2", "Answers to the questions", "#week-first--answers"),
        ("toc-1", "Second", "#week-second--top"),
    ]


def test_folds_are_open_and_answers_stand_at_the_end(page):
    chapter = page.find(id="week-first")
    assert all(fold.has_attr("open") for fold in chapter("details"))
    assert not chapter("noscript")
    assert [tag.get_text(strip=True) for tag in chapter.select_one(".answers").children] == [
        "Answers to the questions",
        "Question 1",
        "The right one.",
    ]
    assert chapter.find_all(recursive=False)[-1]["class"] == ["answers"]


def printed(book: one_page.Book, site: Path) -> bytes:
    """The book as a PDF, or a skip that says what is missing."""
    pytest.importorskip("pypdf", reason="no pypdf: pip install pypdf")
    try:
        return make_pdf.print_book(book, site)
    except browser.Missing as error:
        pytest.skip(str(error))


def test_the_pdf_has_page_numbers_an_outline_and_links_within(root, book):
    pdf = printed(book, root / "html")
    reader = make_pdf._reader(pdf)
    assert make_pdf.faults(pdf, book) == []
    assert make_pdf._titles(reader.outline)[-3:] == ["A part", "Answers to the questions", "Second"]
    pages = make_pdf.page_numbers(pdf)
    first = pages["week-first--top"]
    texts = [page.extract_text() for page in reader.pages]
    assert first == 1 + next(i for i, text in enumerate(texts) if "Folded text." in text)
    lines = "\n".join(page.extract_text() for page in reader.pages)
    assert "Folded text." in lines and "The right one." in lines
    contents = next(p.extract_text() for p in reader.pages if "Contents" in p.extract_text())
    assert re.search(rf"First page\s*{first}\b", contents)
    assert "000" not in contents


def test_faults_of_a_pdf_are_named(root, book):
    broken = book.html.replace("Folded text.", "Folded \\(x\\) text.")
    pdf = printed(one_page.Book(broken, 9, ["#gone"]), root / "html")
    found = make_pdf.faults(pdf, one_page.Book(broken, 9, ["#gone"]))
    assert found[0] == "a link leads nowhere: #gone"
    assert any("a formula that was not typeset" in line for line in found)
    assert found[-1].endswith("the book has 9 pages")


def test_without_a_browser_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "no-such-program")
    with pytest.raises(browser.Missing, match=r"no Chromium .*apt-get install chromium") as caught:
        browser.find_chromium()
    assert "\n" not in str(caught.value)


def test_without_a_site_one_line_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(make_pdf, "SITE", tmp_path)
    assert make_pdf.main() == 2
    assert capsys.readouterr().err == "no site in _build/html: run make book first\n"

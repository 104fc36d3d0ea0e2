"""A printed chapter: the article alone, light, with its folds open and nothing cut off."""

import io

import pytest
from PIL import Image

import browser
from build import SITE

NAME = "book/week01/chain_rule"


@pytest.fixture(scope="module")
def page():
    """A chapter in the dark theme, as a browser without a network shows it."""
    try:
        with browser.open_page(SITE) as opened:
            opened.emulate_media(color_scheme="dark")
            opened.goto(f"http://{browser.HOST}/{NAME}.html")
            browser.settle(opened)
            yield opened
    except browser.Missing as error:
        pytest.skip(str(error))


def test_the_printed_chapter_holds_its_text_and_nothing_to_click(page):
    pypdf = pytest.importorskip("pypdf", reason="no pypdf: pip install pypdf")
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    text = " ".join(" ".join(sheet.extract_text() for sheet in pages).split())
    assert "The chain rule, counting, and the price of forgetting" in text
    assert "Nobody can store a probability for each" in text
    assert "from collections import Counter" in text, "hidden cells are printed"
    assert "The formula expands the divergence of a row" in text, "folded answers are printed"
    for clutter in ("Search", "Copy", "Show code cell", "Back to top", "Colab", "Binder"):
        assert clutter not in text
    width, height = (float(side) for side in pages[0].mediabox[2:])
    assert (round(width), round(height)) in {(595, 842), (594, 842), (595, 841), (594, 841)}
    for number, sheet in enumerate(pages, start=1):
        lines = sheet.extract_text().split()
        assert str(number) in (lines[0], lines[-1])


def test_paper_is_white_and_nothing_sticks_out(page):
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 665, "height": 940})
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    assert picture.getpixel((3, 3)) == (255, 255, 255)
    wide = page.evaluate(
        """() => Array.from(document.querySelectorAll("article *"))
            .filter((e) => e.getClientRects().length && !e.closest("mjx-assistive-mml"))
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []

"""Movable figures of the built site in a real browser: they move, say so, and keep still around.

What depends on a figure's own frames and words, and whether it fits, is asked of every figure of
every page, so that a new chapter is tested from its first day. What only the script decides that
all of them share is asked of a few: of each number of sliders the first figure, and those with the
fewest and the most frames. Chromium reaches the local server and nothing else.
"""

import functools
import json
from pathlib import Path

import pytest
import site_browser
import site_pages

from build import SITE

FIGURE = "figure.course-frames"
SETTLED_MS = 60_000


def _figures() -> dict[tuple[str, int, int], int]:
    """Page, place on it, and number of sliders of every movable figure, with its frames."""
    return {
        (site_pages.name(path), place, len(figure.select("input[type=range]"))): len(
            figure.select("img")
        )
        for path, figures in site_pages.pages_with("course-frames")
        for place, figure in enumerate(figures)
    }


def _few(figures: dict[tuple[str, int, int], int]) -> list[tuple[str, int, int]]:
    """Of each number of sliders the first figure, the shortest and the longest."""
    found = set()
    for sliders in {figure[2] for figure in figures}:
        alike = [figure for figure in figures if figure[2] == sliders]
        found |= {alike[0], min(alike, key=figures.get), max(alike, key=figures.get)}
    return sorted(found)


FRAMES = _figures()
FIGURES = list(FRAMES)
assert FIGURES, "no movable figure in _build/html: run make book first"
PAIRS = [(name, place) for name, place, sliders in FIGURES if sliders == 2]
PAGES = sorted({name for name, _, _ in FIGURES})


def _asked_of(figures: list[tuple[str, int, int]]) -> pytest.MarkDecorator:
    ids = [f"{name}-{place}" for name, place, _ in figures]
    return pytest.mark.parametrize(("name", "place", "sliders"), figures, ids=ids)


every_figure, a_few_figures = _asked_of(FIGURES), _asked_of(_few(FRAMES))
every_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture
def open_page(browser, site_url):
    """Open a page of the site; at the end nothing may have been asked of another origin.

    Formulas are set only where it is asked for.
    """
    contexts, faults = [], []

    def opened(name, *, mathematics=False, **settings):
        given = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(**(given | settings))
        context.set_default_timeout(SETTLED_MS)
        contexts.append(context)
        if not mathematics:
            site_browser.without_mathematics(context)
        page = context.new_page()
        page.fetched = []
        page.on("request", lambda request: page.fetched.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{site_url}{name}", wait_until="load")
        return page

    yield opened
    for context in contexts:
        urls = [url for page in context.pages for url in page.fetched]
        faults += [url for url in urls if not url.startswith((site_url, "data:", "blob:"))]
        context.close()
    assert not faults


class Figure:
    """One movable figure as a reader meets it."""

    def __init__(self, page, place):
        self.page = page
        self.root = page.locator(FIGURE).nth(place)
        self.sliders = self.root.locator("input[type=range]")
        self.said = self.root.locator("[aria-live]")

    def button(self, part, row=0):
        """The back, play or forward button of a row."""
        return self.root.locator(f".course-frames__{part}").nth(row)

    def approach(self):
        """Scroll until the figure stands in the window and its frame has arrived."""
        self.root.scroll_into_view_if_needed()
        self.wait_until("[...figure.querySelectorAll('img:not([hidden])')].every(i => i.complete)")
        return self

    def wait_until(self, condition):
        """Wait for an expression about ``figure``."""
        handle = self.root.element_handle()
        self.page.wait_for_function(f"figure => {condition}", arg=handle)

    def expect(self, *places):
        """Wait for the frame of these slider places, then check picture, text and readout."""
        counts = [int(self.sliders.nth(row).get_attribute("max")) + 1 for row in range(len(places))]
        index = functools.reduce(
            lambda so_far, each: so_far * each[1] + each[0], zip(places, counts, strict=True), 0
        )
        self.wait_until(f"!figure.querySelectorAll('img')[{index}].hidden")
        shown = self.root.locator("img:visible")
        assert shown.count() == 1
        assert shown.evaluate("image => image.naturalWidth") > 0
        for row, place in enumerate(places):
            slider = self.sliders.nth(row)
            text = json.loads(slider.get_attribute("data-texts"))[place]
            assert slider.input_value() == str(place)
            assert slider.get_attribute("aria-valuetext") == text
            assert self.root.locator(".course-frames__value").nth(row).inner_text() == text
        return shown.get_attribute("alt")


@every_figure
def test_the_keyboard_moves_every_slider(open_page, name, place, sliders):
    figure = Figure(open_page(name), place).approach()
    at = [0] * sliders
    for row in range(sliders):
        slider = figure.sliders.nth(row)
        last = int(slider.get_attribute("max"))
        seen = set()
        slider.focus()
        for other in range(sliders):
            if other != row:
                at[other] = int(figure.sliders.nth(other).input_value())
        for key, expected in (
            ("Home", 0),
            ("ArrowRight", 1),
            ("End", last),
            ("ArrowLeft", last - 1),
        ):
            figure.page.keyboard.press(key)
            at[row] = expected
            seen.add(figure.expect(*at))
        assert len(seen) >= min(last, 3)


@a_few_figures
def test_steps_stop_at_both_ends_and_say_what_is_seen(open_page, name, place, sliders):
    figure = Figure(open_page(name), place).approach()
    at = [int(figure.sliders.nth(row).input_value()) for row in range(sliders)]
    figure.sliders.first.focus()
    figure.page.keyboard.press("Home")
    assert figure.button("back").get_attribute("aria-disabled") == "true"
    figure.button("back").click(force=True)
    figure.expect(0, *at[1:])
    figure.button("forward").click()
    alt = figure.expect(1, *at[1:])
    assert figure.button("back").get_attribute("aria-disabled") == "false"
    figure.wait_until(f"figure.querySelector('[aria-live]').textContent === {json.dumps(alt)}")
    figure.button("back").click()
    figure.expect(0, *at[1:])


@a_few_figures
def test_play_runs_to_the_end_quietly_and_pause_holds(open_page, name, place, sliders):
    page = open_page(name, reduced_motion="no-preference")
    figure = Figure(page, place)
    figure.root.evaluate("figure => { figure.dataset.interval = 40; }")
    figure.approach()
    for row in range(sliders):
        play, slider = figure.button("play", row), figure.sliders.nth(row)
        slider.focus()
        page.keyboard.press("Home")
        before = figure.said.inner_text()
        button = f"figure.querySelectorAll('.course-frames__play')[{row}]"
        figure.root.evaluate(
            "figure => { figure.spoken = 0; new MutationObserver(() => {"
            f" figure.spoken += {button}.ariaLabel.startsWith('Pause'); }})"
            ".observe(figure.querySelector('[aria-live]'), {childList: true}); }"
        )
        play.click()
        input_of = f"figure.querySelectorAll('input')[{row}]"
        figure.wait_until(f"Number({input_of}.value) >= 1")
        figure.wait_until(f"{input_of}.value === {input_of}.max")
        figure.wait_until(f"{button}.ariaLabel.startsWith('Play')")
        assert figure.root.evaluate("figure => figure.spoken") == 0, before
        figure.root.evaluate("figure => { figure.dataset.interval = 60000; }")
        slider.focus()
        page.keyboard.press("Home")
        page.keyboard.press(" ")
        assert play.get_attribute("aria-label").startswith("Pause")
        page.keyboard.press(" ")
        assert play.get_attribute("aria-label").startswith("Play")
        assert slider.input_value() == "0"
        figure.root.evaluate("figure => { figure.dataset.interval = 40; }")


@pytest.mark.parametrize(("name", "place"), PAIRS)
def test_two_sliders_play_one_at_a_time(open_page, name, place):
    figure = Figure(open_page(name), place).approach()
    figure.button("play", 0).click()
    figure.button("play", 1).click()
    labels = [figure.button("play", row).get_attribute("aria-label") for row in (0, 1)]
    assert [label.split(":")[0] for label in labels] == ["Play", "Pause"]


@a_few_figures
def test_nothing_moves_when_frames_change(open_page, name, place, sliders):
    page = open_page(name)
    figure = Figure(page, place).approach()
    page.evaluate(
        "() => { window.shifts = 0; new PerformanceObserver((list) => list.getEntries().forEach("
        "(entry) => { window.shifts += entry.value; })).observe({type: 'layout-shift'}); }"
    )
    places = [figure.root, figure.sliders.first, figure.button("forward")]
    boxes = [each.bounding_box() for each in places]
    for row in range(sliders):
        figure.sliders.nth(row).focus()
        page.keyboard.press("Home")
        for _ in range(int(figure.sliders.nth(row).get_attribute("max"))):
            page.keyboard.press("ArrowRight")
            assert [each.bounding_box() for each in places] == boxes
    page.wait_for_timeout(100)
    assert page.evaluate("() => window.shifts") == 0


@every_page
def test_frames_are_fetched_when_the_reader_comes_near_them(open_page, name):
    page = open_page(name, viewport={"width": 1280, "height": 400})
    page.wait_for_timeout(500)
    far = [
        figure
        for figure in page.locator(FIGURE).all()
        if figure.evaluate("figure => figure.getBoundingClientRect().top") > 3000
    ]
    wanted = [
        set(figure.locator("img").evaluate_all("images => images.map((i) => i.src)"))
        for figure in far
    ]
    assert not set().union(*wanted) & set(page.fetched)
    for figure, files in zip(far, wanted, strict=True):
        figure.scroll_into_view_if_needed()
        page.wait_for_function(
            "figure => [...figure.querySelectorAll('img')].every((i) => i.complete)",
            arg=figure.element_handle(),
        )
        assert files <= set(page.fetched)
    assert far or name == "book/index.html"


@every_page
def test_no_frame_lies_inside_a_page(name):
    for image in site_pages.soup(SITE / name).select(f"{FIGURE} img"):
        assert image["loading"] == "lazy"
        file = (SITE / name).parent / image["src"]
        assert file.suffix == ".webp"
        assert file.is_file()
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0


@a_few_figures
def test_without_a_script_the_start_frame_stands_with_its_words(open_page, name, place, sliders):
    page = open_page(name, java_script_enabled=False)
    figure = page.locator(FIGURE).nth(place)
    figure.scroll_into_view_if_needed()
    image = figure.locator("img:visible")
    assert image.count() == 1
    assert "one of" in figure.locator(".course-frames__still").inner_text()
    assert not figure.locator("button:visible, input:visible").count()
    box = image.bounding_box()
    assert box["width"] > 200
    page.wait_for_timeout(300)
    assert any(url.endswith(Path(image.get_attribute("src")).name) for url in page.fetched)


@a_few_figures
def test_print_shows_a_frame_and_says_which_one(open_page, name, place, sliders):
    page = open_page(name)
    page.emulate_media(media="print")
    figure = page.locator(FIGURE).nth(place)
    assert figure.locator("img:visible").count() == 1
    assert figure.locator(".course-frames__still").is_visible()
    assert not figure.locator("button:visible, input:visible").count()


@every_figure
def test_on_a_phone_everything_fits_and_can_be_touched(open_page, name, place, sliders):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    page = open_page(name, mathematics=True, **phone)
    figure = Figure(page, place).approach()
    assert figure.root.evaluate("figure => figure.scrollWidth <= figure.clientWidth")
    for part in ("back", "play", "forward"):
        box = figure.button(part, sliders - 1).bounding_box()
        assert box["width"] >= 44
        assert box["height"] >= 44
    box = figure.sliders.last.bounding_box()
    assert box["height"] >= 24
    assert box["width"] >= 120
    figure.sliders.last.tap(position={"x": box["width"] - 3, "y": box["height"] / 2})
    assert figure.sliders.last.input_value() == figure.sliders.last.get_attribute("max")


def test_reduced_motion_keeps_an_automatic_figure_still(open_page):
    moving = {}
    for motion in ("reduce", "no-preference"):
        page = open_page("book/index.html", reduced_motion=motion)
        figure = Figure(page, 0).approach()
        page.wait_for_timeout(1500)
        moving[motion] = figure.sliders.first.input_value() != "0"
    assert moving == {"reduce": False, "no-preference": True}

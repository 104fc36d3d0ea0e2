"""Knowledge checks and progress as a reader meets them: the built site in headless Chromium."""

import json
from pathlib import Path

import pytest
from site_browser import Traffic, without_mathematics
from site_pages import pages_with

from build import SITE

KINDS = ("single", "multiple", "number", "order")
KEY = "generative-models-course.progress.v1"


@pytest.fixture
def new_page(browser, site_url):
    """Pages of fresh browsers; what they report as an error fails the test.

    MathJax is left out, unless asked for: setting a long chapter takes longer than most tests.
    """
    opened = []

    def new(*, mathematics=False, only_ours=False, **options):
        context, traffic = browser.new_context(base_url=site_url, **options), Traffic(site_url)
        opened.append((context, traffic, only_ours))
        context.set_default_timeout(60_000)
        traffic.watch(context)
        if not mathematics:
            without_mathematics(context)
        return context.new_page()

    yield new
    for context, traffic, only_ours in opened:
        context.close()
        ours = ("progress.js", "checks.js")
        faults = [f for f in traffic.faults if not only_ours or any(name in f for name in ours)]
        assert not faults, "\n".join(faults)


@pytest.fixture
def page(new_page):
    """A page of a fresh browser."""
    return new_page()


class Found:
    """A check of the built site, with its solution read from the page's source."""

    def __init__(self, path: Path, tag):
        self.address = path.relative_to(SITE).as_posix()
        self.key, self.kind = tag["data-check"], tag["data-kind"]
        items = tag.select("noscript li[data-key]")
        self.keys = [json.loads(item["data-key"]) for item in items]
        self.marked_up = [item.select_one(".check__why") for item in items]
        # A piece of each explanation without mathematics, which looks different once it is set.
        self.whys = [max(why.stripped_strings, key=len) for why in self.marked_up]

    def open(self, page):
        page.goto(self.address, wait_until="domcontentloaded")
        return self.on(page)

    def on(self, page):
        return page.locator(f"[data-check='{self.key}']")


def find_checks() -> list[Found]:
    return [Found(path, tag) for path, tags in pages_with("check") for tag in tags]


CHECKS = find_checks()
assert CHECKS, "no site in _build/html: run make book first"


def first(kind: str, test=lambda check: True) -> Found:
    return next(check for check in CHECKS if check.kind == kind and test(check))


def move(check, found: Found, order: list[int]):
    """Bring the steps into an order, given as the places they were shown at first."""
    for target, shown in enumerate(order):
        step = check.locator(f"li[data-shown='{shown}']")
        while step.evaluate("e => Array.from(e.parentNode.children).indexOf(e)") > target:
            step.locator("[data-move='-1']").click()


def answer(check, found: Found, right: bool):
    """Answer a check with the mouse, right or wrong, and press its button."""
    if found.kind == "number":
        value = next(key["value"] for key in found.keys if key["right"] == right)
        check.locator("input").fill(repr(value))
    elif found.kind == "order":
        order = [key["shown"] for key in found.keys]
        move(check, found, order if right else order[::-1])
    else:
        for i, key in enumerate(found.keys):
            if key["right"] == right:
                check.locator("input").nth(i).check()
    check.locator(".check__try").click()


def test_every_kind_is_used_on_more_than_one_page():
    pages = {kind: {check.address for check in CHECKS if check.kind == kind} for kind in KINDS}
    assert all(len(found) > 1 for found in pages.values()), pages


@pytest.mark.parametrize("chapter", sorted({check.address for check in CHECKS}))
def test_every_check_answers_right_and_wrong_and_can_be_tried_again(page, chapter):
    page.goto(chapter, wait_until="domcontentloaded")
    for found in [check for check in CHECKS if check.address == chapter]:
        try_both_ways(found, found.on(page))


def try_both_ways(found: Found, check):
    text = check.inner_text()
    assert not [why for why in found.whys if why in text]
    answer(check, found, right=False)
    assert check.get_attribute("data-passed") == "false"
    assert any(why in check.inner_text() for why in found.whys)
    assert check.locator("[data-right=false] strong").first.is_visible()
    check.locator(".check__reset").click()
    assert check.get_attribute("data-passed") is None
    assert check.inner_text() == text
    answer(check, found, right=True)
    assert check.get_attribute("data-passed") == "true"
    assert any(why in check.inner_text() for why in found.whys)
    assert not check.locator("[data-right=false]").count()


def test_a_tap_answers_a_single_choice_and_explains_that_option(page):
    found = first("single")
    check = found.open(page)
    for i, key in enumerate(found.keys):
        check.locator("label").nth(i).click()
        reply = check.locator(".check__reply").nth(i)
        reply.get_by_text(found.whys[i]).wait_for()
        assert check.locator(".check__reply:not(:empty)").count() == 1
        assert reply.locator("strong").first.inner_text() == (
            "Right." if key["right"] else "Not this one."
        )


def test_several_are_judged_as_a_set(page):
    found = first("multiple", lambda check: sum(not key["right"] for key in check.keys) >= 1)
    check = found.open(page)
    check.locator(".check__try").click()
    assert check.locator("[role=status]").inner_text() == "Choose one option or more first."
    rights = [i for i, key in enumerate(found.keys) if key["right"]]
    wrong = next(i for i, key in enumerate(found.keys) if not key["right"])
    for i in (*rights[1:], wrong):
        check.locator("input").nth(i).check()
    check.locator(".check__try").click()
    assert check.locator("[role=status]").inner_text() == "Not yet: 1 too many, 1 missed."
    words = {i: check.locator(".check__reply").nth(i).inner_text() for i in (rights[0], wrong)}
    assert words[rights[0]].startswith("Missed.")
    assert words[wrong].startswith("Not this one.")
    assert check.locator(".check__reply:not(:empty)").count() == 2


def test_a_number_is_judged_in_every_unit_and_within_its_tolerance(page):
    numbers = [check for check in CHECKS if check.kind == "number"]
    found = next(found for found in numbers if found.open(page).locator("select").count())
    check = found.on(page)
    right = found.keys[0]
    factors = check.locator("option").evaluate_all("all => all.map(o => [o.text, +o.value])")

    def passed(text, unit=None):
        check.locator("input").fill(text)
        if unit:
            check.locator("select").select_option(unit)
        check.locator("input").press("Enter")
        return check.get_attribute("data-passed")

    for unit, factor in factors:
        inside = (right["value"] + 0.99 * right["tolerance"]) / factor
        outside = (right["value"] - 1.01 * right["tolerance"]) / factor
        assert passed(repr(inside), unit) == "true"
        assert passed(repr(outside), unit) == "false"
        assert passed(f"{right['value'] / factor:.8e}", unit) == "true"
    name, factor = factors[1]
    assert passed(f"{right['value'] / factor} {name.upper()}", factors[0][0]) == "true"
    for text, sentence in (
        ("", "Write a number first."),
        ("1,5", "Write a point before decimals"),
        ("many", "Write a number such as"),
        ("3 apples", "Write only the number and choose its unit."),
    ):
        assert passed(text) is None
        assert check.locator("[role=status]").inner_text().startswith(sentence)


def test_known_wrong_numbers_have_their_own_explanation(page):
    found = first("number", lambda check: len(check.keys) > 3)
    check = found.open(page)
    for key, why in list(zip(found.keys, found.whys, strict=True))[1:]:
        check.locator("input").fill(repr(key.get("value", 987654.5)))
        check.locator("input").press("Enter")
        assert why in check.locator(".check__reply").inner_text()


def test_the_first_step_out_of_place_is_named_and_why(page):
    found = first("order", lambda check: len(check.keys) > 3)
    check = found.open(page)
    order = [key["shown"] for key in found.keys]
    move(check, found, [order[0], order[2], order[1], *order[3:]])
    check.locator(".check__try").click()
    status = check.locator("[role=status]").inner_text()
    assert status.startswith("The first step is right. Step 2 is the first out of place")
    assert check.locator(".check__reply:not(:empty)").count() == 1
    assert found.whys[2] in check.locator("li").nth(1).inner_text()


def focused(page) -> str:
    return page.evaluate("(e => e.closest('.check') ? e.className : '')(document.activeElement)")


def test_all_four_kinds_by_keyboard_alone(page):
    for kind in KINDS:
        found = first(kind)
        check = found.open(page)
        check.locator("input, button").first.focus()
        if kind == "single":
            right = next(i for i, key in enumerate(found.keys) if key["right"])
            page.keyboard.press("Space")
            for _ in range(right):
                page.keyboard.press("ArrowDown")
            assert check.get_attribute("data-passed") is None
            page.keyboard.press("Enter")
        elif kind == "multiple":
            for key in found.keys:
                if key["right"]:
                    page.keyboard.press("Space")
                page.keyboard.press("Tab")
            assert "check__try" in focused(page)
            page.keyboard.press("Enter")
        elif kind == "number":
            page.keyboard.type(repr(found.keys[0]["value"]))
            page.keyboard.press("Enter")
        else:
            order_by_keyboard(page, check, found)
        assert check.get_attribute("data-passed") == "true", kind


def order_by_keyboard(page, check, found):
    """Move each step up to its place; the button that was pressed keeps the focus."""
    for target, key in enumerate(found.keys):
        step = check.locator(f"li[data-shown='{key['shown']}']")
        step.locator("[data-move='-1']").focus()
        index = "e => Array.from(e.parentNode.children).indexOf(e)"
        while (place := step.evaluate(index)) > target:
            page.keyboard.press("Enter")
            assert step.evaluate(index) == place - 1
            assert step.locator("[data-move='-1']").evaluate("e => e === document.activeElement")
            said = check.locator("[role=status]").inner_text()
            assert said == f"Now step {place} of {len(found.keys)}."
    while "check__try" not in focused(page):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")


def test_mathematics_in_an_explanation_is_set_when_it_appears(new_page):
    page = new_page(mathematics=True)
    found, place = next(
        (check, place)
        for check in CHECKS
        for place, why in enumerate(check.marked_up)
        if check.kind == "single" and why.select(".math")
    )
    check = found.open(page)
    page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
    page.evaluate("MathJax.startup.promise")
    check.locator("label").nth(place).click()
    reply = check.locator(".check__reply").nth(place)
    reply.locator("mjx-container").first.wait_for()
    assert "\\(" not in reply.inner_text()


# --- Progress ---


def summary(page) -> str:
    page.goto("book/progress.html")
    return page.locator(".progress-summary").inner_text()


def test_progress_counts_what_was_read_and_answered(page):
    assert summary(page).startswith("Nothing is noted yet.")
    found = first("number")
    check = found.open(page)
    answer(check, found, right=False)
    answer(check, found, right=True)
    assert "passed" in check.locator("legend").inner_text()
    button = page.get_by_role("button", name="Mark as read")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    marked = page.locator(".bd-links a.current", has=page.locator(".read-mark")).last
    assert "(read)" in marked.text_content()
    said = summary(page)
    assert "You have read 1 of " in said
    assert "answered 1 of " in said
    assert f" of {len(CHECKS)} questions" in said
    page.locator(".progress-point input").nth(2).check()
    assert "ticked 1 of " in page.locator(".progress-summary").inner_text()
    page.reload()
    assert page.locator(".progress-point input").nth(2).is_checked()
    row = page.locator("tr", has=page.locator(f"a[href$='{Path(found.address).name}']")).first
    assert "read on" in row.inner_text()
    found.open(page)
    page.get_by_role("button", name="Mark as read").click()
    assert not page.locator(".read-mark").count()
    assert "You have read 0 of " in summary(page)


def test_export_reset_import_is_a_round_trip(page, tmp_path):
    found = first("single")
    answer(found.open(page), found, right=True)
    page.get_by_role("button", name="Mark as read").click()
    before = summary(page)
    page.locator(".progress-point input").first.check()
    before = page.locator(".progress-summary").inner_text()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Export").click()
    file = tmp_path / "progress.json"
    caught.value.save_as(file)
    state = json.loads(file.read_text())
    assert state["version"] == 1
    assert list(state["checks"].values()) == [{found.key: next(iter(state["read"].values()))}]

    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".progress-summary").inner_text() == before
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Reset").click()
    assert page.locator(".progress-summary").inner_text().startswith("Nothing is noted yet.")

    page.locator(".progress-point input").nth(1).check()
    page.get_by_label("Import a file").set_input_files(file)
    page.get_by_text("was added").wait_for()
    after = page.locator(".progress-summary").inner_text()
    assert after == before.replace("ticked 1 of", "ticked 2 of")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not JSON", "it is not JSON"),
        ("[]", "it is not a record of progress"),
        ("null", "it is not a record of progress"),
        ('{"version": 2}', "it has another version than 1"),
        ('{"version": 1, "read": {}}', "parts of it are missing or not dates"),
        (
            '{"version": 1, "read": {"a": "<b>"}, "checks": {}, "points": {}}',
            "parts of it are missing or not dates",
        ),
        (
            '{"version": 1, "read": {}, "checks": {"a": 3}, "points": {}}',
            "parts of it are missing or not dates",
        ),
        (" " * 1_000_001, "it is larger than a megabyte"),
    ],
    ids=["text", "list", "null", "version", "missing", "no-date", "no-map", "large"],
)
def test_a_bad_file_changes_nothing_and_is_refused_in_one_line(page, tmp_path, text, message):
    summary(page)
    page.locator(".progress-point input").first.check()
    before = page.evaluate(f"localStorage.getItem('{KEY}')")
    file = tmp_path / "bad.json"
    file.write_text(text)
    page.get_by_label("Import a file").set_input_files(file)
    said = page.locator(".progress-message")
    said.get_by_text("Nothing was imported").or_(said).first.wait_for()
    page.wait_for_function("document.querySelector('.progress-message').textContent")
    assert said.inner_text() == f"Nothing was imported: bad.json cannot be used, {message}."
    assert page.evaluate(f"localStorage.getItem('{KEY}')") == before


def test_a_record_that_was_spoilt_counts_as_empty(page):
    summary(page)
    page.evaluate(f"localStorage.setItem('{KEY}', '{{')")
    assert summary(page).startswith("Nothing is noted yet.")


def test_where_nothing_may_be_stored_the_page_says_so_and_works(new_page):
    page = new_page(only_ours=True)  # The theme's own scripts complain.
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('blocked'); }})"
    )
    assert summary(page).startswith("This browser lets the page store nothing")
    page.locator(".progress-point input").first.check()
    assert "ticked 1 of" in page.locator(".progress-summary").inner_text()
    page.goto(first("single").address)
    assert "only until you leave the page" in page.locator(".reading").inner_text()


def test_without_scripts_solutions_unfold_and_nothing_pretends_to_work(new_page):
    page = new_page(java_script_enabled=False)
    for kind in KINDS:
        found = first(kind)
        check = found.open(page)
        check.locator("button").first.wait_for(state="hidden")
        details = check.locator("details")
        assert not details.get_by_text(found.whys[0]).is_visible()
        details.locator("summary").click()
        assert details.get_by_text(found.whys[0]).is_visible()
    assert not page.locator(".reading").is_visible()
    page.goto("book/progress.html")
    assert page.locator("noscript p").is_visible()
    assert not page.locator(".progress-controls").is_visible()


def test_the_search_quotes_no_solution(page):
    found = first("number")
    page.goto("search.html")
    source = (SITE / found.address).read_text("utf-8")
    quoted = page.evaluate("source => Search.htmlToText(source)", source)
    assert "Knowledge check" in quoted
    assert not [why for why in found.whys if why in quoted]


def test_paper_shows_questions_without_controls(page):
    check = first("order").open(page)
    page.emulate_media(media="print")
    assert not check.locator("button").first.is_visible()
    assert page.get_by_text("Answers and explanations are on the page").is_visible()
    assert not page.locator(".reading").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_accessibility_violations_before_and_after_answers(new_page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    page = new_page(color_scheme=scheme)
    address = first("order").address
    page.goto(address, wait_until="domcontentloaded")
    for found in [check for check in CHECKS if check.address == address]:
        answer(found.on(page), found, right=False)
    page.get_by_role("button", name="Mark as read").click()
    assert violations(axe, page, ".check, .reading") == []
    page.goto("book/progress.html")
    assert violations(axe, page, "article") == []


def violations(axe, page, region: str) -> list[str]:
    parts = page.locator(region)
    assert parts.count()
    # Without preloading, which asks for imported style sheets where they are not.
    found = axe.Axe().run(page, {"include": [[region]]}, {"preload": False}).response["violations"]
    return [f"{item['id']}: {item['nodes'][0]['html'][:120]}" for item in found]

"""A page without a mouse: a way past the menus, a stop at every control, and the stop is seen."""

import pytest
import site_browser
from site_pages import CONTENT, name

from build import SITE

MOST_STOPS = 1000
SAMPLE = ["book/index.html", "book/week01/chain_rule.html", "book/concepts.html", "search.html"]

STOP = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const outlined = (part) => {
    const style = getComputedStyle(part);
    const box = part.getBoundingClientRect();
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return ring && box.width > 0 && box.height > 0;
  };
  // The theme rings the links of its side bars with a shadow, and some parents' by their child.
  const ring = outlined(element) || Array.from(element.children).some(outlined)
    || getComputedStyle(element).boxShadow !== "none";
  const kinds = {
    search: ".search-button, .search-button-field, input[name=q]",
    theme: ".theme-switch-button",
    chapters: ".bd-links a",
    text: "article a, article summary, article button, article input, article select",
    slider: "article input[type=range]",
    fold: "article summary",
    next: ".prev-next-footer a",
    contents: ".bd-sidebar-secondary a",
  };
  window.stops = window.stops || new Set();
  const known = stops.has(element);
  stops.add(element);
  return {
    known,
    kinds: Object.keys(kinds).filter((kind) => element.matches(kinds[kind])),
    seen: ring,
    html: element.outerHTML.slice(0, 140),
  };
}"""


def walk(page):
    """Press Tab until the page ends; the stops in order."""
    stops = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None or stop["known"]:
            break
        stops.append(stop)
    return stops


@pytest.mark.parametrize("where", [n for n in SAMPLE if (SITE / n).exists()])
def test_every_control_is_a_stop_that_is_seen(page, site_url, where):
    page.goto(site_url + where)
    site_browser.settle(page)
    has = page.evaluate(
        """() => Object.fromEntries(Object.entries({
          search: "button.search-button-field, .bd-search-container input[name=q]",
          theme: ".theme-switch-button",
          chapters: ".bd-links a",
          slider: "article input[type=range]",
          fold: "article summary",
          next: ".prev-next-footer a",
          contents: ".bd-sidebar-secondary a",
        }).map(([kind, path]) => [kind,
          Array.from(document.querySelectorAll(path)).some((e) => e.checkVisibility())]))"""
    )
    if where == "search.html":
        page.evaluate("() => document.activeElement.blur()")
    stops = walk(page)
    reached = {kind for stop in stops for kind in stop["kinds"]}
    assert {kind for kind, there in has.items() if there} <= reached
    assert [stop["html"] for stop in stops if not stop["seen"]] == []
    formulas = [stop["html"] for stop in stops if stop["html"].startswith("<mjx-container")]
    assert not [formula for formula in formulas if 'display="true"' not in formula]


def test_the_first_stop_leads_past_the_menus(page, site_url):
    page.goto(site_url + name(CONTENT[0]))
    site_browser.settle(page)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.getAttribute('href')") == "#main-content"
    page.wait_for_function("() => document.activeElement.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = "() => document.querySelector('#main-content').contains(document.activeElement)"
    assert page.evaluate(inside)


def test_the_theme_changes_from_the_keyboard(page, site_url):
    page.goto(site_url + name(CONTENT[0]))
    site_browser.settle(page)
    theme = "() => document.documentElement.dataset.theme"
    seen = {page.evaluate(theme)}
    button = page.locator(".theme-switch-button:visible").first
    for _ in range(3):
        button.press("Enter")
        seen.add(page.evaluate(theme))
    assert seen == {"light", "dark"}

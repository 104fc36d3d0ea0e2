"""The search finds a concept without a network and shows the sentence around it."""

import pytest
import site_browser
from site_pages import CONTENT, name

FINDS = {
    "MADE": "book/week01/neural_conditionals.html",
    "perplexity": "book/week01/chain_rule.html",
    "entropy": "book/worlds.html",
}


def results(page):
    """Link and summary of each result, once the search has finished and shows its summaries."""
    page.wait_for_function(
        """() => {
          const found = Array.from(document.querySelectorAll("ul.search > li"));
          return /finished/.test(document.querySelector(".search-summary")?.textContent || "")
            && found.length
            && found.every((item) => item.querySelector("p.context, :scope > span"));
        }"""
    )
    return page.eval_on_selector_all(
        "ul.search > li",
        """(items) => items.map((item) => [item.querySelector("a").getAttribute("href"),
          item.querySelector("p.context")?.textContent || ""])""",
    )


@pytest.mark.parametrize("word", FINDS)
def test_a_concept_is_found_from_any_page(page, site_url, word):
    page.goto(site_url + name(CONTENT[0]))
    page.keyboard.press("Control+K")
    page.locator("#pst-search-dialog input").fill(word)
    page.keyboard.press("Enter")
    found = results(page)
    summaries = {link.split("#")[0].split("?")[0]: text for link, text in reversed(found)}
    assert FINDS[word] in summaries, found
    summary = summaries[FINDS[word]]
    assert word.lower() in summary.lower()
    assert 80 < len(summary) < 320
    assert "\\(" not in summary


def test_the_summary_survives_what_the_stem_changes(page, site_url):
    """The stem of "probabilities" is "probabl", and some pages have only "probability"."""
    page.goto(site_url + "search.html?q=probabilities")
    found = results(page)
    texts = [text for _, text in found if text]
    assert texts
    assert all("probab" in text.lower() or not text.startswith("…") for text in texts)
    assert sum("probabilit" in text.lower() for text in texts) >= 4


def test_a_word_that_is_nowhere_is_told_so(page, site_url):
    page.goto(site_url + "search.html?q=zyzzyva")
    page.wait_for_function(
        "() => /did not match/.test(document.querySelector('.search-summary')?.textContent || '')"
    )


def test_the_button_opens_the_search(page, site_url):
    page.goto(site_url + name(CONTENT[0]))
    site_browser.settle(page)
    page.locator("button.search-button-field:visible").first.click()
    assert page.locator("#pst-search-dialog input").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#pst-search-dialog input").is_visible()

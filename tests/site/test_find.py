"""The pages to look things up on, as they were built."""

import re
import sys

import pytest
import yaml
from bs4 import BeautifulSoup
from site_pages import CONTENT, name, soup

from build import SITE
from chapters import ROOT, find_chapters

sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course_api_source
import course_architecture

MODULES = [module.name for module in course_architecture.read_package(ROOT)[1]]


def find_page(which: str) -> BeautifulSoup:
    return soup(SITE / "book" / f"{which}.html")


def described(page: BeautifulSoup) -> list[str]:
    """Names of the package that a page describes."""
    return [tag["id"] for tag in page.select("dl.py > dt.sig[id]")]


def public_names(module: str) -> list[str]:
    """Names of a module, members of classes included, as its source defines them."""
    names = []
    for source in course_api_source.read_modules(ROOT, module):
        for symbol in source.symbols:
            names += [f"{source.name}.{s.name}" for s in (symbol, *symbol.members)]
    return names


@pytest.mark.parametrize("module", MODULES)
def test_a_module_s_page_describes_its_names_once_and_no_other(module):
    found = described(find_page(f"api/{module}"))
    assert sorted(found) == sorted(set(public_names(module)))


def test_no_other_page_describes_a_name():
    others = [path for path in CONTENT if path.parent.name != "api"]
    assert [path for path in others if described(soup(path))] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_function_and_class_has_words_and_a_link_to_its_source(module):
    page = find_page(f"api/{module}")
    for tag in page.select("dl.py:is(.function, .class, .exception, .method) > dt.sig[id]"):
        assert tag.find_next_sibling("dd").get_text().strip(), tag["id"]
        file, anchor = tag.select_one("a:has(.viewcode-link)")["href"].split("#")
        target = soup((SITE / "book" / "api" / file).resolve())
        assert target.find(id=anchor) is not None, tag["id"]


def test_the_overview_names_every_module_and_every_name():
    overview = find_page("api/index").select_one("dl.api-overview")
    assert [term.get_text() for term in overview("dt")] == MODULES
    linked = {a["href"].split("#")[1] for a in overview.select(".api-names a")}
    outermost = {
        f"{source.name}.{symbol.name}"
        for module in MODULES
        for source in course_api_source.read_modules(ROOT, module)
        for symbol in source.symbols
    }
    assert linked == outermost


def test_concepts_lead_to_section_and_code_on_this_site():
    for row in find_page("concepts").select("table.concept-table tbody tr"):
        cells = row(["th", "td"])
        assert all(cell.get_text().strip() for cell in cells)
        assert re.search(r"\.html#concept-", cells[2].a["href"])
        assert all(link["href"].startswith("api/") for link in cells[3]("a"))
        assert all(link["href"].startswith("https://") for link in cells[4]("a"))


def test_errata_that_run_lead_to_a_box_and_no_other_does():
    data = yaml.safe_load((ROOT / "book" / "errata.yml").read_text("utf-8"))
    rows = find_page("errata").select("table.errata-table tbody tr")
    assert [row["id"] for row in rows] == [f"errata-{e['id'].lower()}" for e in data["errata"]]
    for row, entry in zip(rows, data["errata"], strict=True):
        links = [link["href"] for link in row("td")[-1]("a")]
        if entry["status"] != "runs":
            assert links == []
            continue
        file, anchor = links[0].split("#")
        assert anchor == f"erratum-{entry['id'].lower()}"
        assert "erratum" in find_page(file.removesuffix(".html")).find(id=anchor)["class"]


def test_every_chapter_has_a_row_of_its_status():
    rows = find_page("status").select("table.status-table tbody tr")
    linked = {row.a["href"].removesuffix(".html") for row in rows}
    assert linked == {chapter.name for chapter in find_chapters()}
    assert all("without error" in row("td")[0].get_text() for row in rows)


@pytest.mark.parametrize("path", CONTENT, ids=name)
def test_every_page_carries_one_stamp_at_its_end(path):
    (stamp,) = soup(path).select("article .course-stamp")
    text = stamp.get_text().strip()
    assert re.fullmatch(
        r"Built on \d{4}-\d\d-\d\d · commit (unknown|[0-9a-f]{7,}\+?) · torch [\w.+]+ · "
        r"(executed in \d+\.\d CPU seconds|nothing to execute on this page)",
        text,
    )
    assert not stamp.find_next_sibling(["p", "section", "div"])

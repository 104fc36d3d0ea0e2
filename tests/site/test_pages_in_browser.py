"""The site's pages in a browser without a network: set, quiet, still, legible, light."""

import os
from urllib.parse import unquote, urlsplit

import pytest
import site_browser
import site_checks
from site_pages import (
    INTERACTIVE_PAGE_BYTES,
    SHARED_BYTES,
    TEXT_PAGE_BYTES,
    VISITED,
    is_interactive,
    is_shared,
    name,
    transferred,
)

from build import SITE


def test_a_browser_is_there_where_one_is_required():
    required = os.environ.get(site_browser.REQUIRED) == "required"
    reason = site_browser.missing()
    assert reason is None or not required, reason


@pytest.mark.parametrize("path", VISITED, ids=name)
def test_a_page_visited(path, page, site_url, traffic, subtests):
    page.add_init_script(site_checks.WATCH_SHIFTS)
    page.goto(site_url + name(path))
    site_browser.settle(page)
    loaded = len(site_checks.shifts(page))
    site_browser.scroll_through(page)

    with subtests.test("nothing jumps while one reads"):
        assert not site_checks.shifts(page)[loaded:]
    with subtests.test("weight"):
        files = {SITE / unquote(urlsplit(u).path[1:]) for u in traffic.urls if "data:" not in u}
        shared = sum(transferred(file) for file in files if is_shared(file))
        own = sum(transferred(file) for file in files if not is_shared(file))
        print(f"{name(path)}: {own / 1000:.0f} kB, shared {shared / 1000:.0f} kB")
        assert shared <= SHARED_BYTES
        assert own <= (INTERACTIVE_PAGE_BYTES if is_interactive(path) else TEXT_PAGE_BYTES)
    for width in site_checks.WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for check in (
            site_checks.stretched_pictures,
            site_checks.clipped_ways_on,
            site_checks.overflow,
        ):
            with subtests.test(check.__name__, width=width):
                faults = check(page)
                assert not faults, "\n".join(faults)
    for check in (
        site_checks.unset_mathematics,
        site_checks.unsized_pictures,
        site_checks.pictures_lost_in_the_dark,
        site_checks.stuck_sliders,
        site_checks.closed_details,
        site_checks.inaccessible,
    ):
        with subtests.test(check.__name__):
            faults = check(page)
            assert not faults, "\n".join(faults)

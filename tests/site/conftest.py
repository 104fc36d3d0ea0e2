"""The built site in a real browser that reaches nothing else.

A test that asks for ``page`` gets a fresh page of a headless Chromium, and fails at its end when
that page asked another origin, got no or a bad answer, or wrote an error to its console. Where
Chromium or playwright is missing, such tests are skipped with one line that says how to get them.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import site_browser

from browser import find_chromium
from build import SITE


@pytest.fixture(scope="session")
def site_url() -> Iterator[str]:
    """Where the built site is served, with a slash at the end."""
    with site_browser.served(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for a module's tests: while it runs, nothing else may run an event loop."""
    reason = site_browser.missing()
    if reason is not None:
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(site_browser.ARGUMENTS)
        )
        yield chromium
        chromium.close()


@pytest.fixture
def traffic(site_url: str) -> site_browser.Traffic:
    """What the test's page asked for, and what went wrong."""
    return site_browser.Traffic(site_url)


@pytest.fixture
def page(browser: Any, traffic: site_browser.Traffic) -> Iterator[Any]:
    """A fresh page, 1280 pixels wide, without other origins; its faults fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(60_000)
    traffic.watch(context)
    yield context.new_page()
    context.close()
    assert not traffic.faults, "\n".join(traffic.faults)

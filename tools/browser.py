"""Headless Chromium over a folder of files: no server, no port, no network.

Pages live at ``http://book.invalid/``, and every request is answered from the folder; one to any
other address is refused.
"""

import mimetypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOST = "book.invalid"
_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chrome", "chromium-browser")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


class Missing(Exception):
    """Something that has to be installed first; the message is one line that says what."""


def find_chromium() -> str:
    """The browser's path: ``CHROMIUM`` in the environment, or the first of the usual names.

    Raises:
        Missing: There is none.
    """
    named = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, [named] if named else _NAMES)), None)
    if found is None:
        raise Missing(
            f"no Chromium ({named or ', '.join(_NAMES)}): apt-get install chromium, "
            "or name one: CHROMIUM=/path/to/chrome"
        )
    return found


@contextmanager
def open_page(folder: Path, extra: dict[str, str] | None = None) -> Iterator:
    """A browser page that sees ``folder`` at ``http://book.invalid/``.

    Args:
        folder: What is served.
        extra: Texts of further HTML pages by path, such as ``{"course.html": "<html>..."}``.

    Raises:
        Missing: Playwright or Chromium is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise Missing("no Playwright: pip install playwright") from None
    chromium = find_chromium()

    def answer(route) -> None:
        address = urlsplit(route.request.url)
        name = unquote(address.path).lstrip("/")
        file = folder / name
        if address.hostname != HOST:
            route.abort()
        elif extra and name in extra:
            route.fulfill(body=extra[name], content_type="text/html; charset=utf-8")
        elif file.is_file():
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            route.fulfill(body=file.read_bytes(), content_type=kind)
        else:
            route.fulfill(status=404, body="")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        try:
            page = browser.new_page()
            page.set_default_timeout(600_000)
            page.route("**/*", answer)
            yield page
        finally:
            browser.close()


def settle(page) -> None:
    """Wait until mathematics is typeset and every picture is there."""
    page.evaluate(
        """async () => {
            if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
            const images = Array.from(document.images);
            images.forEach((image) => { image.loading = "eager"; });
            await Promise.all(images.map((image) => image.decode().catch(() => {})));
            await document.fonts.ready;
        }"""
    )

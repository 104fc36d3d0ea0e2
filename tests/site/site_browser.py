"""What browser tests of the built site stand on: a local server, Chromium, and a record of faults.

Chromium reaches the local server and nothing else: names do not resolve, and a request to another
address is stopped and written down.
"""

import functools
import importlib.util
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from browser import Missing, find_chromium

REQUIRED = "COURSE_BROWSER"
"""Set this variable to ``required`` where a missing browser is a failure and not a skip."""

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def missing() -> str | None:
    """One line that says what is missing and how to get it, or ``None``."""
    lacking = [name for name in ("playwright", "axe_playwright_python") if not _installed(name)]
    if lacking:
        how = ".venv/bin/python -m pip install -c requirements.lock -e '.[site]'"
        return f"the site is not checked in a browser: no {' and no '.join(lacking)}; run {how}"
    try:
        find_chromium()
    except Missing as lack:
        return f"the site is not checked in a browser: {lack}"
    return None


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free local port; the address ends with a slash."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@dataclass
class Traffic:
    """What a page asked for, and what went wrong.

    Attributes:
        home: The only origin a page may ask.
        urls: Every address requested, in order.
        faults: One line each for a failed request, one to another origin, and an error of the page.
    """

    home: str
    urls: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self, context: Any) -> None:
        """Listen to every page of a browser context, and stop what leaves the origin."""
        elsewhere = re.compile(rf"^(?!{re.escape(self.home)})https?:")
        context.route(elsewhere, lambda route: route.abort())
        context.on("request", self._requested)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)
        context.on("console", self._said)
        context.on("weberror", self._raised)

    def _requested(self, request: Any) -> None:
        self.urls.append(request.url)
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.faults.append(f"asked another origin: {request.url}")

    def _failed(self, request: Any) -> None:
        # A page left while it loads gives up what it asked for, and a browser without JavaScript
        # refuses scripts by a policy of its own; neither is a fault of the site.
        if request.failure not in ("net::ERR_ABORTED", "csp"):
            self.faults.append(f"failed: {request.url} ({request.failure})")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.faults.append(f"status {response.status}: {response.url}")

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} ({message.location['url']})")

    def _raised(self, error: Any) -> None:
        self.faults.append(f"page error: {error.error.stack or error.error}")


def without_mathematics(context: Any) -> None:
    """Answer MathJax's script with nothing: setting a chapter takes longer than most tests."""
    nothing = {"body": "", "content_type": "text/javascript"}
    context.route("**/tex-chtml.js*", lambda route: route.fulfill(**nothing))


def settle(page: Any) -> None:
    """Wait until fonts are there and mathematics is set, if the page has any."""
    page.evaluate(
        """async () => {
          if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
          await document.fonts.ready;
        }"""
    )


def scroll_through(page: Any) -> None:
    """Scroll to the end and back, a screen at a time, so that lazy pictures arrive."""
    page.evaluate(
        """async () => {
          const frame = () => new Promise((done) => requestAnimationFrame(() => done()));
          for (let y = 0; y < document.body.scrollHeight; y += innerHeight * 0.8) {
            scrollTo({top: y, behavior: "instant"});
            await frame();
            await frame();
          }
          await Promise.all(Array.from(document.images)
            .filter((image) => image.checkVisibility()).map((image) => image.decode()));
          await frame();
          scrollTo({top: 0, behavior: "instant"});
        }"""
    )

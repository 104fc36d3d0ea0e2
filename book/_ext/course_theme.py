"""What the theme does by default and this book does not want: weight, doubles, no names."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

_THEBE = re.compile(
    r"<script type=\"text/x-thebe-config\">.*?</script>|<script>kernelName = .*?</script>",
    re.DOTALL,
)
_SEARCH = re.compile(
    r"\s*<script src=\"[^\"]*(?:searchtools|language_data|searchindex)\.js[^\"]*\"></script>"
)
_ICONS = re.compile(r"\s*<script [^>]*fontawesome\.js[^>]*></script>")


def _one_search(app: Sphinx, config: Config) -> None:
    """Keep the search of the side bar only; the theme's default would add a bar with a second."""
    if config.html_theme == "sphinx_book_theme":
        config.html_theme_options.setdefault("navbar_persistent", [])


def _drop_thebe(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Leave out what a live kernel would need: the book has none, and the scripts clash."""
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context.get(kind, ()) if not _speaks_of_thebe(file)]
    if context.get("body"):
        context["body"] = _THEBE.sub("", context["body"])


def _speaks_of_thebe(file: Any) -> bool:
    body = getattr(file, "attributes", {}).get("body", "")
    return "thebe" in f"{getattr(file, 'filename', file)} {body}".lower()


def _readable_results(app: Sphinx, page: str, *_: Any) -> None:
    """Let the search page show the sentence around a word; ``search.js`` says why."""
    if page == "search":
        app.add_js_file("search.js", loading_method="defer")


def _lighten(app: Sphinx, error: Exception | None) -> None:
    """Take out of each page what it loads and does not use.

    The search's index is for the search page alone, since no other page shows results, and the
    icons come from the font of the style sheet, not drawn a second time by a script of 1.5 MB.
    """
    if error is not None or app.builder.format != "html":
        return
    outdir = Path(app.outdir)
    for path in outdir.rglob("*.html"):
        if outdir / "_static" in path.parents:
            continue
        text = path.read_text(encoding="utf-8")
        light = _ICONS.sub("", text if path.name == "search.html" else _SEARCH.sub("", text))
        if light != text:
            path.write_text(light, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register the corrections; ``course.js`` names what a screen reader would find nameless."""
    app.add_css_file("site.css", priority=700)
    app.add_js_file("course.js", loading_method="defer")
    app.add_js_file("take_away.js", loading_method="defer")
    app.add_css_file("print.css", priority=900)
    app.connect("config-inited", _one_search)
    app.connect("html-page-context", _drop_thebe, priority=900)
    app.connect("html-page-context", _readable_results)
    app.connect("build-finished", _lighten)

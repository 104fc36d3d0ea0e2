"""What the theme does by default and this book does not want: weight, doubles, no names."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config


def _one_search(app: Sphinx, config: Config) -> None:
    """Keep the search of the side bar only; the theme's default would add a bar with a second."""
    if config.html_theme == "sphinx_book_theme":
        config.html_theme_options.setdefault("navbar_persistent", [])


def _drop_thebe(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Leave out the scripts of a live kernel: the book has none, and they come twice and clash."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]


def _icons_from_the_font(app: Sphinx, error: Exception | None) -> None:
    """Empty the script that draws every icon a second time, as SVG.

    The style sheet already shows the icons from a font; the script alone weighs 1.5 MB.
    """
    script = Path(app.outdir, "_static", "scripts", "fontawesome.js")
    if error is None and script.is_file():
        script.write_text("// The icons come from the font that the style sheet loads.\n")


def setup(app: Sphinx) -> None:
    """Register the corrections; ``course.js`` names what a screen reader would find nameless."""
    app.add_js_file("course.js", loading_method="defer")
    app.add_js_file("take_away.js", loading_method="defer")
    app.add_css_file("print.css", priority=900)
    app.connect("config-inited", _one_search)
    app.connect("html-page-context", _drop_thebe, priority=900)
    app.connect("build-finished", _icons_from_the_font)

"""Pictures state their size and wait until they are near, so that no text moves when they arrive.

MyST-NB and Sphinx write ``<img>`` without ``width`` and ``height``. A browser then reserves no
place, and what stands below jumps down while it is read. The attributes only tell the proportions;
the theme's style sheet still shrinks a picture that is wider than the page.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import imagesize
from sphinx.application import Sphinx

_IMG = re.compile(r"<img\b[^>]*>")
_SOURCE = re.compile(r'\bsrc="([^"]+)"')
_SIZED = re.compile(r"\bwidth=.*\bheight=|\bheight=.*\bwidth=", re.DOTALL)


def with_size(tag: str, files: dict[str, Path]) -> str:
    """Give an ``<img>`` its size and lazy loading; one from elsewhere, or sized, stays as it is.

    Args:
        tag: The HTML element.
        files: Where the file of each published name lies.
    """
    source = _SOURCE.search(tag)
    file = files.get(unquote(source[1]).rsplit("/", 1)[-1]) if source else None
    if file is None or _SIZED.search(tag):
        return tag
    width, height = imagesize.get(file)
    if width <= 0 or height <= 0:
        return tag
    lazy = "" if "loading=" in tag else ' loading="lazy"'
    size = f'width="{round(width)}" height="{round(height)}"'
    return tag.replace("<img", f"<img {size}{lazy}", 1)


def _size_pictures(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    if not context.get("body"):
        return
    files = {name: Path(app.srcdir, origin) for origin, name in app.builder.images.items()}
    context["body"] = _IMG.sub(lambda found: with_size(found[0], files), context["body"])


def setup(app: Sphinx) -> None:
    """Work on every page just before it is written."""
    app.connect("html-page-context", _size_pictures)

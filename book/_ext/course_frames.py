"""The frames of movable figures as files beside the pages, fetched when a reader comes near.

A notebook keeps the frames of ``course_utils.interactive`` inside its output, so that it stands
alone. On a page this would make a reader fetch all of them before the text below. Here each frame
becomes a file named after its content, and its ``<img>`` says ``loading="lazy"``: a browser fetches
such a picture only when it is shown and near the window, and a hidden frame when the figure's
script asks for it. Without a script the start frame still appears.
"""

import base64
import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Any

from sphinx.application import Sphinx

_FIGURE = re.compile(r'<figure class="course-frames".*?</figure>', re.DOTALL)
_STORED = re.compile(r'<img src="data:image/webp;base64,([A-Za-z0-9+/=]+)"')


def _move_out(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Write the frames of one page to files and point the page at them."""
    if doctree is None or "body" not in context:
        return

    def file_of(match: re.Match) -> str:
        content = base64.b64decode(match[1])
        name = f"frame-{hashlib.sha256(content).hexdigest()[:20]}.webp"
        target = Path(app.outdir, app.builder.imagedir, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        address = context["pathto"](str(PurePosixPath(app.builder.imagedir, name)), 1)
        return f'<img loading="lazy" src="{address}"'

    context["body"] = _FIGURE.sub(lambda f: _STORED.sub(file_of, f[0]), context["body"])


def setup(app: Sphinx) -> None:
    """Move the frames out when a page is about to be written."""
    app.connect("html-page-context", _move_out)

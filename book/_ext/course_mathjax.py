"""Mathematics without a network: MathJax 3.2.2 from the package sphinx-mathjax-offline.

Only the files a page can ask for are copied: the TeX-to-HTML bundle, its fonts, the TeX extensions
that are loaded on demand, and what the accessibility menu needs. Where the package is missing,
Sphinx's own address of MathJax stays, and the build says so.
"""

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

BUNDLE = "tex-chtml.js"
NEEDED = (BUNDLE, "output/chtml", "input/tex/extensions", "a11y", "sre", "ui")

_log = logging.getLogger(__name__)


def mathjax_folder() -> Path | None:
    """Where MathJax lies in the environment, or ``None``."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    return Path(found.origin).parent / "static" / "mathjax" if found and found.origin else None


def _choose(app: Sphinx, config: Config) -> None:
    if mathjax_folder() is None:
        _log.info("sphinx-mathjax-offline is not installed: mathematics needs a network")
    else:
        config.mathjax_path = f"mathjax/{BUNDLE}"


def _copy(app: Sphinx, error: Exception | None) -> None:
    source = mathjax_folder()
    if error is not None or source is None or app.builder.format != "html":
        return
    target = Path(app.outdir, "_static", "mathjax")
    for name in NEEDED:
        origin, copy = source / name, target / name
        if origin.is_dir():
            shutil.copytree(origin, copy, dirs_exist_ok=True)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, copy)


def setup(app: Sphinx) -> None:
    """Use the local copy and put it beside the pages."""
    app.connect("config-inited", _choose)
    app.connect("build-finished", _copy)

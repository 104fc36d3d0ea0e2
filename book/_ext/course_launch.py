"""Run it elsewhere: the notebook to download, and buttons that open it in Colab and on Binder.

The theme makes the buttons. Two things it cannot do are put right here: the notebook it offers is
replaced by one that reads well without Sphinx, and Colab, which cannot open Markdown, is led to
that notebook on the branch where the published notebooks lie. All addresses follow from the
repository's.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from course_colab import colab_address
from course_notebook import write_notebook
from docutils import nodes
from sphinx.application import Sphinx

_WORDS = {".ipynb": "Notebook", ".md": "Source", ".pdf": "Print or PDF"}


def site_address(repository: str) -> str:
    """Where GitHub publishes the pages of a repository: ``https://owner.github.io/name/``.

    Elsewhere there is no rule, so a site that is built from another host sets ``html_baseurl``;
    without it the repository itself is given.
    """
    if urlsplit(repository).hostname != "github.com":
        return f"{repository.rstrip('/')}/"
    owner, name = urlsplit(repository).path.strip("/").removesuffix(".git").split("/")[-2:]
    root = f"https://{owner.lower()}.github.io/"
    return root if name.lower() == f"{owner}.github.io".lower() else f"{root}{name}/"


def _links(app: Sphinx, page: str):
    """Absolute addresses of what a page's references lead to; none for its own equations."""
    root = app.config.html_baseurl or site_address(app.config.course_repository_url)
    here = urljoin(root, app.builder.get_target_uri(page))

    def link(node: nodes.Element) -> str | None:
        anchor = node.get("refid") or ""
        address = node.get("refuri") or f"#{anchor}"
        if "filename" in node:
            return urljoin(root, f"_downloads/{node['filename']}")
        if address.startswith("#equation-") or address == "#":
            return None
        return urljoin(here, address)

    return here, link


def _is_executed(app: Sphinx, page: str) -> bool:
    name = f"{page.removeprefix('book/')}.ipynb"
    return Path(app.srcdir, app.config.course_executed, name).is_file()


def _name_buttons(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Say in words what the theme names by the ending of a file."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            button["text"] = _WORDS.get(button.get("text"), button.get("text"))


def _offer(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """Write the page's notebook and lead the buttons to it."""
    if doctree is None or app.builder.name != "html" or not _is_executed(app, page):
        return
    here, link = _links(app, page)
    about = (
        f"*A page of [{app.config.html_title or app.config.project}]({here}). The outputs below "
        "were computed with the book's pinned versions; running the cells makes them again.*"
    )
    file = f"_sources/{page}.ipynb"
    write_notebook(app, page, doctree, link, about, Path(app.outdir, file))
    context["ipynb_source"] = f"{page}.ipynb"
    colab = app.config.html_theme_options.get("launch_buttons", {}).get("colab_url")
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if colab and button.get("text") == "Colab":
                button["url"] = colab_address(
                    colab, app.config.course_repository_url, app.config.course_notebooks, file
                )


def setup(app: Sphinx) -> None:
    """Register the notebooks and their branch."""
    app.add_config_value("course_notebooks", "gh-pages", "html", str)
    app.connect("html-page-context", _offer, priority=800)
    app.connect("html-page-context", _name_buttons, priority=800)

"""What the build knows of a chapter's execution: time, versions, date, commit.

    {status-table}   all chapters, what came of their execution and what it took

``tools/run_chapter.py`` writes these facts into the metadata of the executed notebook. They are
part of the kept result, not of its key: a chapter that is not run again keeps the facts of the run
whose outputs the page shows. Every page ends with a small stamp made of them.
"""

import html
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from myst_nb.core.read import is_myst_markdown_notebook
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

import provenance
from chapters import WALL_LIMIT

_HEADER = ("Chapter", "Came through", "CPU seconds", "Wall seconds", "With", "Executed", "Commit")
_WIDTHS = (24, 14, 10, 14, 16, 11, 11)


def executed_path(root: Path, folder: str, docname: str) -> Path:
    """Where the executed notebook of a page lies, if the page is a chapter."""
    return root / folder / f"{docname.removeprefix('book/')}.ipynb"


def read_execution(path: Path) -> dict[str, Any] | None:
    """The facts an executed notebook carries, or ``None``; older ones carry fewer."""
    try:
        metadata = json.loads(path.read_text("utf-8"))["metadata"]
        facts = dict(metadata["course"])
        facts["cpu_seconds"] = float(facts["cpu_seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    facts.setdefault("python", metadata.get("language_info", {}).get("version", ""))
    return facts


def front_matter(text: str) -> dict[str, Any]:
    """The YAML between the first two lines of dashes."""
    parts = text.split("---\n", 2)
    return (yaml.safe_load(parts[1]) or {}) if len(parts) == 3 and not parts[0] else {}


class StatusTable(SphinxDirective):
    """``{status-table}``: one row for every page that is a notebook."""

    def run(self) -> list[nodes.Node]:
        rows, total = [], 0.0
        for docname in sorted(self.env.found_docs):
            source = Path(self.env.doc2path(docname))
            if source.suffix != ".md":
                continue
            text = source.read_text("utf-8")
            if not is_myst_markdown_notebook(text):
                continue
            limit = front_matter(text).get("course", {}).get("limit", WALL_LIMIT)
            facts = self._facts(docname)
            total += facts["cpu_seconds"] if facts else 0.0
            rows.append(self._row(docname, facts, float(limit)))
        says = f"{len(rows)} chapters, {total:.0f} CPU seconds of one core together."
        return [nodes.paragraph("", says), _table(rows)]

    def _facts(self, docname: str) -> dict[str, Any] | None:
        root = Path(self.env.srcdir)
        path = executed_path(root, self.config.course_executed, docname)
        self.env.note_dependency(str(path))
        return read_execution(path)

    def _row(self, docname: str, facts: dict[str, Any] | None, limit: float) -> nodes.row:
        chapter = addnodes.pending_xref(
            "",
            nodes.inline("", docname, classes=["doc"]),
            refdomain="std",
            reftype="doc",
            reftarget=f"/{docname}",
            refexplicit=False,
            refwarn=True,
            refdoc=self.env.docname,
        )
        first = nodes.entry("", nodes.paragraph("", "", chapter))
        texts = _cells(facts, limit) if facts else ["not executed", *[""] * 5]
        return nodes.row("", first, *(nodes.entry("", nodes.paragraph("", t)) for t in texts))


def _cells(facts: dict[str, Any], limit: float) -> list[str]:
    wall = facts.get("wall_seconds")
    names = {"python": "Python", "torch": "torch", "numpy": "numpy"}
    versions = [f"{shown} {facts[name]}" for name, shown in names.items() if facts.get(name)]
    return [
        "without error or warning",
        f"{facts['cpu_seconds']:.1f}",
        f"{wall:.1f} of {limit:.0f}" if wall is not None else f"limit {limit:.0f}",
        ", ".join(versions) or "not recorded",
        facts.get("executed", "not recorded"),
        facts.get("commit", "not recorded"),
    ]


def _table(rows: list[nodes.row]) -> nodes.table:
    columns = [nodes.colspec(colwidth=width) for width in _WIDTHS]
    columns[0]["stub"] = 1
    titles = [nodes.entry("", nodes.paragraph("", title)) for title in _HEADER]
    group = nodes.tgroup("", *columns, cols=len(columns))
    group += nodes.thead("", nodes.row("", *titles))
    group += nodes.tbody("", *rows)
    return nodes.table("", group, classes=["status-table"])


def stamp(built: str, commit: str, torch: str, facts: dict[str, Any] | None) -> str:
    """The line at the end of a page, as HTML."""
    parts = [f'Built on <time datetime="{built}">{built}</time>', f"commit {html.escape(commit)}"]
    if facts is None:
        parts.append(f"torch {html.escape(torch)}")
        parts.append("nothing to execute on this page")
    else:
        parts.append(f"torch {html.escape(str(facts.get('torch', torch)))}")
        parts.append(f"executed in {facts['cpu_seconds']:.1f} CPU seconds")
    return f'<p class="course-stamp">{" · ".join(parts)}</p>\n'


def _remember_build(app: Sphinx, config: Config) -> None:
    """Ask once a build: git is a process."""
    app.course_build = {
        "built": provenance.today(),
        "commit": provenance.commit(Path(app.srcdir)),
        "torch": provenance.package("torch"),
    }


def _add_stamp(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    if doctree is None or "body" not in context:
        return
    path = executed_path(Path(app.srcdir), app.config.course_executed, page)
    context["body"] += stamp(**app.course_build, facts=read_execution(path))


def setup(app: Sphinx) -> None:
    """Register the table and the stamp; where executed notebooks lie is ``course_executed``."""
    app.add_config_value("course_executed", "_build/executed", "env", str)
    app.add_directive("status-table", StatusTable)
    app.connect("config-inited", _remember_build)
    app.connect("html-page-context", _add_stamp)
    app.add_css_file("find.css")

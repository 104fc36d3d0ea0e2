"""The index of concepts: ``book/concepts.csv`` as a table with links, searchable in the browser.

A concept's name is followed by its section, by its code on the API pages and by its test in the
repository. Only what is written is listed: every link is checked when the site is built.
"""

import csv
from pathlib import Path
from typing import Any

from course_api import api_link
from course_sources import Place, find_symbol, find_test
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

COLUMNS = ("id", "name", "week", "label", "implementation", "test", "sources")
_HEADER = ("Concept", "Week", "Section", "Implementation", "Test", "Sources")
_WIDTHS = (20, 6, 18, 22, 22, 12)


def read_concepts(path: Path) -> list[dict[str, str]]:
    """Read the rows of the index.

    Raises:
        ValueError: The header is not ``COLUMNS``.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path.name}: expected the columns {', '.join(COLUMNS)}")
        return list(rows)


class ConceptTable(SphinxDirective):
    """``{concept-table}``, with another file than ``book/concepts.csv`` as optional argument."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.root = Path(self.env.srcdir)
        path = self.root / (self.arguments[0] if self.arguments else "book/concepts.csv")
        self.env.note_dependency(str(path))
        try:
            body = [self._row(concept) for concept in read_concepts(path)]
        except (OSError, ValueError, LookupError) as error:
            raise self.error(f"concept-table: {error}") from error
        return [_table(body)]

    def _row(self, concept: dict[str, str]) -> nodes.row:
        name = nodes.paragraph("", concept["name"])
        identifier = nodes.paragraph("", "", nodes.literal("", concept["id"]))
        cells = (
            [name, identifier],
            [nodes.paragraph("", concept["week"])],
            [nodes.paragraph("", "", self._section(concept))],
            [self._code(item) for item in concept["implementation"].split()],
            [self._test(item) for item in concept["test"].split()],
            [nodes.paragraph("", concept["sources"])],
        )
        return nodes.row("", *(nodes.entry("", *cell) for cell in cells))

    def _section(self, concept: dict[str, str]) -> nodes.Node:
        text = nodes.inline("", concept["label"], classes=["std", "std-ref"])
        return addnodes.pending_xref(
            "",
            text,
            refdomain="std",
            reftype="ref",
            refexplicit=False,
            refwarn=True,
            reftarget=concept["label"].lower(),
            refdoc=self.env.docname,
        )

    def _code(self, item: str) -> nodes.paragraph:
        place = find_symbol(self.root, item)
        self.env.note_dependency(str(self.root / place.path))
        return nodes.paragraph("", "", api_link(self, item, _short(item)))

    def _test(self, item: str) -> nodes.paragraph:
        place: Place = find_test(self.root, item)
        self.env.note_dependency(str(self.root / place.path))
        shown = _short(item)
        if self.config.course_repository_url:
            address = place.url(
                self.config.course_repository_url, self.config.course_repository_branch
            )
            shown = nodes.reference("", "", shown, refuri=address, internal=False)
        return nodes.paragraph("", "", shown)


def _short(item: str) -> nodes.Node:
    """A test's name as the sentence it is; ``NADE.log_prob`` or the last two parts of a symbol."""
    if "/" in item:
        name = item.split("::")[-1].split("/")[-1]
        return nodes.inline("", name.removeprefix("test_").replace("_", " "))
    parts = item.split(".")
    first = next((i for i, part in enumerate(parts) if part[0].isupper()), max(0, len(parts) - 2))
    return nodes.literal("", ".".join(parts[first:]))


def _table(body: list[nodes.row]) -> nodes.table:
    columns = [nodes.colspec(colwidth=width) for width in _WIDTHS]
    columns[0]["stub"] = 1
    titles = [nodes.entry("", nodes.paragraph("", title)) for title in _HEADER]
    group = nodes.tgroup("", *columns, cols=len(columns))
    group += nodes.thead("", nodes.row("", *titles))
    group += nodes.tbody("", *body)
    return nodes.table("", group, classes=["concept-table"])


def _name_concepts(app: Sphinx, doctree: nodes.document) -> None:
    """Let a concept that a paragraph introduces be called by the title of its section."""
    domain = app.env.get_domain("std")
    for name, (docname, identifier) in domain.anonlabels.items():
        if not name.startswith("concept-") or name in domain.labels:
            continue
        if docname == app.env.docname and identifier in doctree.ids:
            section = doctree.ids[identifier]
            while not isinstance(section, nodes.section):
                section = section.parent
            domain.labels[name] = (docname, identifier, section[0].astext())


def _add_script(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    if doctree is not None and any(
        {"concept-table", "errata-table"} & set(t["classes"]) for t in doctree.findall(nodes.table)
    ):
        app.add_js_file("concepts.js", loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the directive, and its script for the pages that have such a table."""
    app.add_directive("concept-table", ConceptTable)
    app.connect("doctree-read", _name_concepts)
    app.connect("html-page-context", _add_script)

"""The errata of the documents the course grew from: ``book/errata.yml`` as a table with links.

{errata-table}   all entries; one that runs is linked to its box {erratum} in a chapter
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

REQUIRED = {"id", "document", "place", "says", "right", "severity", "week", "status"}
OPTIONAL = {"measured"}
STATUSES = ("runs", "waits", "noted")
SEVERITIES = {
    1: "breaks a formula or code",
    2: "wrong or misleading",
    3: "wrong name, number or date",
    4: "small slip",
}
_HEADER = ("Erratum", "The document says", "What is right", "Shown")
_WIDTHS = (20, 30, 38, 12)


def read_errata(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The documents by number, and the entries.

    Raises:
        ValueError: An entry lacks a field, has one too many or a value that means nothing, or an
            id stands there twice; the message names the entry.
    """
    data = yaml.safe_load(path.read_text("utf-8"))
    documents, entries = data["documents"], data["errata"]
    for entry in entries:
        fault = _fault(entry, documents)
        if fault:
            raise ValueError(f"{path.name}: {entry.get('id', 'an entry without id')}: {fault}")
    twice = [name for name, count in Counter(e["id"] for e in entries).items() if count > 1]
    if twice:
        raise ValueError(f"{path.name}: {', '.join(twice)}: expected once, got twice")
    return documents, entries


def _fault(entry: dict[str, Any], documents: dict[str, str]) -> str:
    fields = set(entry)
    if not REQUIRED <= fields <= REQUIRED | OPTIONAL:
        return f"expected the fields {', '.join(sorted(REQUIRED))}, got {', '.join(sorted(fields))}"
    for name, allowed in (
        ("document", documents),
        ("severity", SEVERITIES),
        ("status", STATUSES),
    ):
        if entry[name] not in allowed:
            return f"{name}: expected one of {', '.join(map(str, allowed))}, got {entry[name]!r}"
    if not re.fullmatch(r"E\d{2,}", str(entry["id"])):
        return f"id: expected a number such as E32, got {entry['id']!r}"
    if not re.fullmatch(r"\d+|R\d", str(entry["week"])):
        return f"week: expected a number or a part such as R3, got {entry['week']!r}"
    return ""


class ErrataTable(SphinxDirective):
    """``{errata-table}``, with another file than ``book/errata.yml`` as optional argument."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0] if self.arguments else "book/errata.yml"
        path = Path(self.env.srcdir, name)
        self.env.note_dependency(str(path))
        try:
            documents, entries = read_errata(path)
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            raise self.error(f"errata-table: {error}") from error
        running = sum(entry["status"] == "runs" for entry in entries)
        says = (
            f"{len(entries)} errata, of which {running} run in a chapter of this book. "
            "The others name the week they wait for."
        )
        return [nodes.paragraph("", says), self._documents(documents), self._table(entries)]

    def _documents(self, documents: dict[str, str]) -> nodes.bullet_list:
        items = [
            nodes.list_item("", nodes.paragraph("", f"{number}: {title}"))
            for number, title in documents.items()
        ]
        return nodes.bullet_list("", *items, classes=["errata-documents"])

    def _table(self, entries: list[dict[str, Any]]) -> nodes.table:
        columns = [nodes.colspec(colwidth=width) for width in _WIDTHS]
        columns[0]["stub"] = 1
        titles = [nodes.entry("", nodes.paragraph("", title)) for title in _HEADER]
        group = nodes.tgroup("", *columns, cols=len(columns))
        group += nodes.thead("", nodes.row("", *titles))
        group += nodes.tbody("", *map(self._row, entries))
        return nodes.table("", group, classes=["errata-table"])

    def _row(self, entry: dict[str, Any]) -> nodes.row:
        number = nodes.paragraph("", "", nodes.strong("", entry["id"]))
        place = nodes.paragraph("", f"{entry['document']}, {entry['place']}", classes=["where"])
        severity = SEVERITIES[entry["severity"]]
        about = nodes.paragraph("", f"{entry['severity']}: {severity}", classes=["severity"])
        right = [self._text(entry["right"])]
        if "measured" in entry:
            measured = self._text(entry["measured"])
            measured["classes"].append("measured")
            right.append(measured)
        row = nodes.row("", ids=[f"errata-{entry['id'].lower()}"])
        row += nodes.entry("", number, place, about)
        row += nodes.entry("", self._text(entry["says"]))
        row += nodes.entry("", *right)
        row += nodes.entry("", self._status(entry))
        return row

    def _text(self, text: str) -> nodes.paragraph:
        holder = nodes.Element()
        lines = StringList([text], source=self.env.docname)
        self.state.nested_parse(lines, self.content_offset, holder)
        return holder.children[0]

    def _status(self, entry: dict[str, Any]) -> nodes.paragraph:
        if entry["status"] == "noted":
            return nodes.paragraph("", "noted here; nothing to run")
        if entry["status"] == "waits":
            return nodes.paragraph("", f"waits for {week_name(entry['week'])}")
        link = addnodes.pending_xref(
            "",
            nodes.inline("", "running cell", classes=["std", "std-ref"]),
            refdomain="std",
            reftype="ref",
            refexplicit=True,
            refwarn=True,
            reftarget=f"erratum-{entry['id'].lower()}",
            refdoc=self.env.docname,
        )
        return nodes.paragraph("", "", link)


def week_name(week: str) -> str:
    """``week 3``, or ``part R3`` for the research parts."""
    return f"week {week}" if week.isdigit() else f"part {week}"


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("errata-table", ErrataTable)

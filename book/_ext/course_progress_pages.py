"""Lists of pages for the progress page, written when all pages have been read."""

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


class progress_pages(nodes.General, nodes.Element):
    """Where lists of pages come, which are known when all pages have been read."""


class progress_mark(nodes.Inline, nodes.TextElement):
    """A ``<span>`` with data for the script; its text is what stands there without it."""


class Shelf:
    """The chapters by week, in reading order, and links to them from one page."""

    def __init__(self, app: Sphinx, page: str) -> None:
        self.app, self.env, self.page = app, app.env, page
        order = list(dict.fromkeys(self._walk(self.env.config.root_doc, set())))
        self.chapters = [p for p in order if self.env.metadata[p].get("course_chapter")]

    def _walk(self, page: str, seen: set[str]) -> Iterator[str]:
        if page not in seen:
            seen.add(page)
            yield page
            for child in self.env.toctree_includes.get(page, []):
                yield from self._walk(child, seen)

    def of(self, week: int | None) -> list[str]:
        """The chapters of a week; ``None`` stands for those before the weeks."""
        return [page for page in self.chapters if _week(page) == week]

    def link(self, page: str, text: str | None = None) -> nodes.Element:
        """The page's title or ``text``, with a link unless it is the page that is being read."""
        title = nodes.Text(text) if text else self.env.titles[page].deepcopy()
        shown = [title] if text else title.children
        if page == self.page:
            return nodes.inline("", "", *shown, nodes.Text(" (this page)"))
        address = self.app.builder.get_relative_uri(self.page, page)
        return nodes.reference("", "", *shown, refuri=address, internal=True)

    def week(self, number: int, plan: dict[str, Any]) -> list[nodes.Node]:
        """The week's title, with a link when the week has a page, and what it is about."""
        facts = plan["weeks"][number]
        index = f"book/week{number:02}/index"
        there = index in self.env.found_docs
        title = self.link(index, facts["title"]) if there else nodes.Text(facts["title"])
        return [title, nodes.Text(f": {facts['about']}" if "about" in facts else "")]

    def checks(self, page: str) -> list[str]:
        return self.env.metadata[page].get("course_checks", [])


def _week(page: str) -> int | None:
    found = re.search(r"/week(\d\d)/", page)
    return int(found[1]) if found else None


def _weeks(shelf: Shelf, place: progress_pages) -> list[nodes.Node]:
    listed = nodes.enumerated_list(start=0, classes=["weeks"], enumtype="arabic", suffix=".")
    for number in place["plan"]["weeks"]:
        line = nodes.paragraph("", "", *shelf.week(number, place["plan"]))
        listed += nodes.list_item("", line)
    return [listed]


def _chapters(shelf: Shelf, place: progress_pages) -> list[nodes.Node]:
    plan, body = place["plan"], nodes.tbody()
    for number in [None, *plan["weeks"]]:
        pages = shelf.of(number)
        if number is not None and not pages:
            name = f"Week {number}: {plan['weeks'][number]['title']}"
            body += _row([nodes.Text(name)], [nodes.Text("not written yet")], [], "planned")
        for chapter in pages:
            checks = shelf.checks(chapter)
            data = {"page": chapter, "checks": " ".join(checks)}
            read = progress_mark("", "", role="read", data=data)
            passed = progress_mark("", str(len(checks)), role="passed", data=data)
            name = [nodes.Text(f"Week {number}: ")] if number is not None else []
            body += _row([*name, shelf.link(chapter)], [read], [passed], "chapter")
    head = _row(*([nodes.Text(title)] for title in ("Chapter", "Read", "Questions")), "head")
    group = nodes.tgroup("", cols=3)
    group += [nodes.colspec(colwidth=width) for width in (60, 20, 20)]
    group += [nodes.thead("", head), body]
    return [nodes.table("", group, classes=["progress-table"])]


def _row(name: list, read: list, passed: list, kind: str) -> nodes.row:
    cells = [nodes.entry("", nodes.paragraph("", "", *cell)) for cell in (name, read, passed)]
    return nodes.row("", *cells, classes=[f"progress-{kind}"])


def _leg(shelf: Shelf, place: progress_pages) -> list[nodes.Node]:
    """A line for each week with chapters, then one line for the weeks without."""
    plan, weeks = place["plan"], place["weeks"]
    listed, planned = nodes.bullet_list(), []
    for number in [*([None] if 0 in weeks else []), *weeks]:
        pages = shelf.of(number)
        if not pages and number is not None:
            planned.append(f"week {number}, {plan['weeks'][number]['title']}")
        if not pages:
            continue
        line = nodes.paragraph()
        if number is None:
            line += nodes.Text("Before the weeks: ")
        else:
            line += [nodes.Text(f"Week {number}, "), *shelf.week(number, plan), nodes.Text(". ")]
        for i, chapter in enumerate(pages):
            line += [nodes.Text("; " if i else ""), shelf.link(chapter)]
        listed += nodes.list_item("", line)
    if planned:
        words = f"Not written yet: {'; '.join(planned)}."
        listed += nodes.list_item("", nodes.paragraph("", words, classes=["progress-later"]))
    return [listed]


def _rests(shelf: Shelf, place: progress_pages) -> list[nodes.Node]:
    """Which weeks a checkpoint looks back on, and which of them are there."""
    weeks = place["weeks"]
    missing = [str(week) for week in weeks if not shelf.of(week)]
    span = {1: f"week {weeks[0]}", 2: f"weeks {weeks[0]} and {weeks[-1]}"}.get(
        len(weeks), f"weeks {weeks[0]} to {weeks[-1]}"
    )
    said = f"It looks back on {span}"
    if len(missing) == len(weeks):
        said += ", not written yet."
    elif missing:
        said += f"; not written yet: {', '.join(missing)}."
    else:
        said += "."
    return [nodes.paragraph("", said, classes=["progress-rests"])]


WRITTEN = {"weeks": _weeks, "chapters": _chapters, "leg": _leg, "rests": _rests}

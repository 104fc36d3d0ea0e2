"""What a reader has read, answered and mastered: the page's frame; ``progress.js`` fills it.

``{progress}`` takes one of the words of ``PARTS``, ``{weeks}`` lists the weeks. The plan comes from
``book/progress.yml``: weeks, checkpoints, tracks. Which chapters there are and which questions they
ask is read from the pages themselves: a chapter is a page with an at-a-glance box.

A chapter is known by its document's name and a question by its key (see ``course_quiz``). A renamed
chapter therefore counts as unread, and what was kept under the old name is ignored, not lost.
"""

import html
from pathlib import Path
from typing import Any

import yaml
from course_plan import PLAN, read_plan
from course_progress_pages import WRITTEN, Shelf, progress_mark, progress_pages
from course_quiz_html import quiz
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

PAGE = "book/progress"
PARTS = ("summary", "chapters", "checkpoints", "tracks", "controls")
_SUMMARY = """<noscript><p>Progress needs JavaScript, which keeps it in your browser; without it \
this page is a plan to read.</p></noscript>
<p class="progress-summary" role="status"></p>"""
_CONTROLS = """<div class="progress-controls" hidden>
<button type="button" class="progress-export">Export as a file</button>
<label>Import a file <input type="file" accept=".json,application/json" class="progress-import">\
</label>
<button type="button" class="progress-reset">Reset</button>
<p class="progress-message" role="status"></p>
</div>"""
_READING = """<div class="reading" data-page="{page}" hidden>
<button type="button" aria-pressed="false">Mark as read</button> <span role="status"></span>
<a href="{link}">Your progress</a>
</div>"""


class _Planned(SphinxDirective):
    """A directive that reads the plan."""

    def plan(self) -> dict[str, Any]:
        path = Path(self.env.srcdir, PLAN)
        self.env.note_dependency(str(path))
        try:
            return read_plan(path)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise self.error(f"{self.name}: {error}") from error

    def words(self, text: str) -> list[nodes.Node]:
        return self.state.inline_text(text, self.lineno)[0]


class Weeks(_Planned):
    """``{weeks}``: every week of the plan, linked where its pages exist."""

    def run(self) -> list[nodes.Node]:
        return [progress_pages(part="weeks", plan=self.plan())]


class Progress(_Planned):
    """``{progress} part``: one part of the progress page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        part = self.arguments[0]
        if part not in PARTS:
            raise self.error(f"progress: expected one of {', '.join(PARTS)}, got {part!r}")
        if part in ("summary", "controls"):
            written = _SUMMARY if part == "summary" else _CONTROLS
            return [nodes.raw("", written, format="html")]
        plan = self.plan()
        if part == "chapters":
            return [progress_pages(part=part, plan=plan)]
        entries = self._checkpoints(plan) if part == "checkpoints" else self._tracks(plan)
        for section in entries:
            self.state.document.note_implicit_target(section, section)
        return entries

    def _checkpoints(self, plan: dict[str, Any]) -> list[nodes.section]:
        sections = []
        for checkpoint in plan["checkpoints"]:
            section = _section(f"Week {checkpoint['week']}: {checkpoint['kind'].lower()}")
            items = nodes.bullet_list(classes=["progress-points"])
            for name, text in checkpoint["items"].items():
                mark = progress_mark("", "", *self.words(text), role="point", data={"point": name})
                items += nodes.list_item("", nodes.paragraph("", "", mark))
            rests = progress_pages(part="rests", plan=plan, weeks=checkpoint["about"])
            section += [items, rests]
            sections.append(section)
        return sections

    def _tracks(self, plan: dict[str, Any]) -> list[nodes.section]:
        sections = []
        for track in plan["tracks"]:
            section = _section(f"{track['name']}: {track['time']}")
            legs = nodes.bullet_list(classes=["progress-legs"])
            for leg in track["legs"]:
                besides = f" Besides: {leg['besides']}." if "besides" in leg else ""
                when = nodes.paragraph("", "", nodes.strong("", leg["when"] + "."))
                when += nodes.Text(besides)
                pages = progress_pages(part="leg", plan=plan, weeks=leg["weeks"])
                legs += nodes.list_item("", when, pages)
            section += legs
            sections.append(section)
        return sections


def _section(title: str) -> nodes.section:
    names = [nodes.fully_normalize_name(title)]
    return nodes.section("", nodes.title("", title), names=names, classes=["progress-part"])


# --- What is known when all pages have been read ------------------------------------------------


def _note_page(app: Sphinx, doctree: nodes.document) -> None:
    """Keep with the page whether it is a chapter, and which questions it asks."""
    facts = app.env.metadata[app.env.docname]
    facts["course_checks"] = [box["key"] for box in doctree.findall(quiz)]
    boxes = doctree.findall(nodes.admonition)
    facts["course_chapter"] = any("glance" in box["classes"] for box in boxes)


def _asking_again(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The pages that show other pages are written anew whenever any page is."""
    return [page for page, facts in env.metadata.items() if facts.get("course_shows_pages")]


def _note_showing(app: Sphinx, doctree: nodes.document) -> None:
    if next(iter(doctree.findall(progress_pages)), None) is not None:
        app.env.metadata[app.env.docname]["course_shows_pages"] = True


def _fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    places = list(doctree.findall(progress_pages))
    shelf = Shelf(app, page) if places else None
    for place in places:
        place.replace_self(WRITTEN[place["part"]](shelf, place))


def _visit_mark(self, node):
    data = "".join(f' data-{key}="{html.escape(text)}"' for key, text in node["data"].items())
    self.body.append(f'<span class="progress-{node["role"]}"{data}>')


def _depart_mark(self, node):
    self.body.append("</span>")


def _silent(self, node):
    pass


def _add_to_page(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    """The script on every page, for the marks beside what was read; a button below a chapter."""
    app.add_js_file("progress.js", loading_method="defer")
    app.add_css_file("progress.css")
    if app.env.metadata.get(page, {}).get("course_chapter") and "body" in context:
        there = PAGE in app.env.found_docs
        link = app.builder.get_relative_uri(page, PAGE) if there else "#"
        context["body"] += _READING.format(page=html.escape(page), link=html.escape(link))


def setup(app: Sphinx) -> None:
    """Register the directives, and what joins pages."""
    app.add_directive("progress", Progress)
    app.add_directive("weeks", Weeks)
    plain = dict.fromkeys(("latex", "text", "man", "texinfo"), (_silent, _silent))
    app.add_node(progress_mark, html=(_visit_mark, _depart_mark), **plain)
    app.connect("doctree-read", _note_page)
    app.connect("doctree-read", _note_showing)
    app.connect("env-updated", _asking_again)
    app.connect("doctree-resolved", _fill)
    app.connect("html-page-context", _add_to_page)

"""What this book adds to MyST: a few directives, mathematics without a network.

    {glance}          the box at the top of a chapter
    {quiz}            a knowledge check that answers at once, without a kernel
    {progress}        what a reader has read, answered and mastered, kept in the browser
    {weeks}           the weeks of the course, linked where they exist
    {erratum}         a corrected statement of the source documents, with an anchor
    {concept-table}   book/concepts.csv as a table with links
    {errata-table}    book/errata.yml as a table with links to the running cells
    {status-table}    what came of each chapter's execution; a stamp on every page
    {api-module}, {api-overview}
                      the package's public names, read from its source
    {pipeline}        the one line every chapter walks, drawn
    {module-map}      the package's modules and who imports whom, drawn from the source

``course_theme`` puts a few things of the theme right, ``course_images`` gives pictures their size,
``course_frames`` keeps the frames of movable figures in files of their own, and ``course_launch``
offers chapters as notebooks. A directive reads only its own page and the files it declares, so
pages may be read in parallel and again.
"""

import re
from pathlib import Path
from typing import Any

import course_api
import course_architecture
import course_concepts
import course_errata
import course_execution
import course_frames
import course_images
import course_launch
import course_mathjax
import course_progress
import course_quiz
import course_theme
import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TASKS = ("sample", "score", "infer", "learn")
ANSWERS = ("exact", "bound", "estimate", "absent")
FIELDS = ("question", "solves", "prerequisites", "reading", "outcomes")


def _flow(directive: SphinxDirective, text: str) -> list[nodes.Node]:
    """Parse Markdown text where the directive stands."""
    holder = nodes.Element()
    lines = StringList(text.splitlines(), source=directive.env.docname)
    directive.state.nested_parse(lines, directive.content_offset, holder)
    return holder.children


class Glance(SphinxDirective):
    """The at-a-glance box: a YAML body with the keys of ``FIELDS``, the CPU time from the build."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            facts = self._facts()
        except (yaml.YAMLError, ValueError) as error:
            raise self.error(f"glance: {error}") from error
        box = nodes.admonition(classes=["glance"])
        box += nodes.title("", "At a glance")
        entries = nodes.definition_list()
        box += entries
        for term, text in self._entries(facts):
            entries += nodes.definition_list_item(
                "", nodes.term("", term), nodes.definition("", *_flow(self, text))
            )
        return [box]

    def _facts(self) -> dict[str, Any]:
        facts = yaml.safe_load("\n".join(self.content))
        if not isinstance(facts, dict) or set(facts) != set(FIELDS):
            raise ValueError(f"expected the keys {', '.join(FIELDS)}")
        solves = facts["solves"]
        if not isinstance(solves, dict) or tuple(solves) != TASKS:
            raise ValueError(f"solves: expected the keys {', '.join(TASKS)}, in this order")
        for task, answer in solves.items():
            if re.split(r"\W", str(answer))[0] not in ANSWERS:
                raise ValueError(f"solves: {task}: expected one of {', '.join(ANSWERS)} first")
        return facts

    def _entries(self, facts: dict[str, Any]) -> list[tuple[str, str]]:
        solves = [f"- **{task}** {answer}" for task, answer in facts["solves"].items()]
        return [
            ("Question", str(facts["question"])),
            ("Solves", "\n".join(solves)),
            ("You need", _as_list(facts["prerequisites"])),
            ("Time", f"{facts['reading']} minutes to read, {self._cpu_time()}"),
            ("Afterwards you can", _as_list(facts["outcomes"])),
        ]

    def _cpu_time(self) -> str:
        root = Path(self.env.srcdir)
        executed = course_execution.executed_path(
            root, self.config.course_executed, self.env.docname
        )
        self.env.note_dependency(str(executed))
        facts = course_execution.read_execution(executed)
        if facts is None:
            return "CPU time not measured yet"
        return f"{max(1, round(facts['cpu_seconds']))} CPU seconds to run"


def _as_list(value: Any) -> str:
    return "\n".join(f"- {item}" for item in value) if isinstance(value, list) else str(value)


class Erratum(SphinxDirective):
    """``{erratum} E32 Short title``: what a source document says, why it is wrong, what is right.

    The box is the target ``erratum-e32``.
    """

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        number, _, title = self.arguments[0].partition(" ")
        if not re.fullmatch(r"E\d{2,}", number):
            raise self.error(f"erratum: expected a number such as E32, got {number!r}")
        name = f"erratum-{number.lower()}"
        shown = f"Erratum {number}" + (f": {title.strip()}" if title else "")
        box = nodes.admonition(classes=["erratum"], names=[name], ids=[name])
        box += nodes.title("", shown)
        box += _flow(self, "\n".join(self.content))
        self.state.document.note_explicit_target(box)
        return [box]


def _name_errata(app: Sphinx, doctree: nodes.document) -> None:
    """Let a reference to an erratum say its number without being told."""
    labels = app.env.get_domain("std").labels
    for box in doctree.findall(nodes.admonition):
        if "erratum" in box["classes"]:
            name = box["ids"][0]
            shown = name.replace("erratum-e", "Erratum E")
            labels[name] = (app.env.docname, name, shown)


_PARTS = (
    course_quiz,
    course_progress,
    course_concepts,
    course_api,
    course_errata,
    course_execution,
    course_architecture,
    course_mathjax,
    course_theme,
    course_images,
    course_frames,
    course_launch,
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    app.add_config_value("course_repository_url", "", "env", str)
    app.add_config_value("course_repository_branch", "main", "env", str)
    app.add_directive("glance", Glance)
    app.add_directive("erratum", Erratum)
    app.connect("doctree-read", _name_errata)
    for part in _PARTS:
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

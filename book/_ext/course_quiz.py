"""Knowledge checks: one choice or several, a number with units, the order of steps.

```{quiz}
How many free parameters has a joint table over five binary variables?

- [ ] 5 :: That is the count for five independent variables.
- [x] 31 :: Thirty-two probabilities that sum to one.
```

``course_quiz_text`` reads the four kinds. The page holds real form controls, and ``checks.js``
judges. Everything a reader should not see before trying is written once, folded inside
``<noscript>``, every letter as a character reference: a browser without scripts shows it, the
script reads it from there. That keeps it from the eye, from a look at the page's source and from
the search of the site. It is no secret: whoever decodes it, or opens the chapter's own source, can
read it. Other formats than HTML get the answers at the end of the chapter.

A check is known by ``:name:`` or by its question's words. A reader's progress refers to that, so a
question whose words change counts as a new one unless it has a name.
"""

import re
from typing import Any, ClassVar

from course_quiz_html import (
    WRITERS,
    quiz,
    quiz_answer,
    quiz_answers,
    quiz_label,
    quiz_question,
    quiz_remark,
    quiz_solution,
    quiz_why,
)
from course_quiz_text import Check, Entry, identify, read_check, shuffled
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective


def _name(argument: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+", argument or ""):
        raise ValueError("expected small letters, digits and hyphens")
    return argument


class Quiz(SphinxDirective):
    """A knowledge check with immediate feedback."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "name": _name,
        "units": directives.unchanged_required,
        "multiple": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        try:
            check = read_check(
                list(self.content),
                units=self.options.get("units", ""),
                multiple="multiple" in self.options,
            )
            number, key = self._identity(check)
        except ValueError as error:
            raise self.error(f"quiz: {error}") from error
        box = quiz(kind=check.kind, key=key, number=number)
        box += self._parse(quiz_question(), check.question)
        box += self._answers(check)
        box += quiz_solution("", "", *(self._remark(check, i) for i in range(len(check.entries))))
        return [box]

    def _identity(self, check: Check) -> tuple[int, str]:
        """The check's number on its page and its key."""
        known = self.env.temp_data.setdefault("course_quiz", [])
        key = self.options.get("name") or identify(check.question)
        if key in known:
            raise ValueError(f"expected another question or ':name:' than before, got {key!r}")
        known.append(key)
        return len(known), key

    def _answers(self, check: Check) -> quiz_answers:
        box = quiz_answers(units=[tuple(unit) for unit in check.units])
        if check.kind == "number":
            numbers = [entry.number.value for entry in check.entries if entry.number]
            box["signed"] = any(value < 0 for value in numbers)
            return box
        order = range(len(check.entries))
        for place in shuffled(check.entries) if check.kind == "order" else order:
            box += quiz_answer("", "", *self._inline(check.entries[place].text))
        return box

    def _remark(self, check: Check, place: int) -> quiz_remark:
        entry = check.entries[place]
        label = quiz_label("", "", *self._inline(entry.text))
        if check.kind == "order":
            key = {"shown": shuffled(check.entries).index(place)}
        else:
            label.insert(0, nodes.Text("Right: " if entry.right else "Not this one: "))
            key = {"right": entry.right, **_judged_by(entry)}
        if check.units and entry.number:
            label += nodes.Text(f" {check.units[0].name}")
        return quiz_remark("", label, self._parse(quiz_why(), entry.why), key=key)

    def _inline(self, text: str) -> list[nodes.Node]:
        return self.state.inline_text(text, self.lineno)[0]

    def _parse(self, parent: nodes.Element, text: str) -> nodes.Element:
        lines = StringList(text.splitlines(), source=self.env.docname)
        self.state.nested_parse(lines, self.content_offset, parent)
        return parent


def _judged_by(entry: Entry) -> dict[str, float]:
    return entry.number._asdict() if entry.number else {}


def _add_files(app: Sphinx, page: str, template: str, context: dict, doctree: Any) -> None:
    if doctree is not None and next(iter(doctree.findall(quiz)), None) is not None:
        app.add_js_file("checks.js", loading_method="defer")
        app.add_css_file("checks.css")


class PlainChecks(SphinxPostTransform):
    """Outside HTML a check is a paragraph and a list, its answer stands where the chapter ends."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        if self.app.builder.format == "html":
            return
        for box in list(self.document.findall(quiz)):
            question, answers, solution = box.children
            title = f"Question {box['number']}"
            end = _end_of_chapter(box)
            if not any("quiz-answers" in child["classes"] for child in end.findall(nodes.rubric)):
                end += nodes.rubric("", "Answers to the questions", classes=["quiz-answers"])
            end += [_strong(title), nodes.bullet_list("", *map(_plain_remark, solution))]
            box.replace_self([_strong(title), *question, *_plain_answers(box["kind"], answers)])


def _end_of_chapter(node: nodes.Element) -> nodes.Element:
    while not isinstance(node, nodes.document | addnodes.start_of_file):
        node = node.parent
    sections = [child for child in node.children if isinstance(child, nodes.section)]
    return sections[-1] if sections else node


def _strong(text: str) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.strong("", text))


def _plain_answers(kind: str, answers: quiz_answers) -> list[nodes.Node]:
    if kind == "number":
        units = " or ".join(name for name, _ in answers["units"])
        return [nodes.paragraph("", f"Answer with a number{' in ' + units if units else ''}.")]
    items = [nodes.list_item("", nodes.paragraph("", "", *a.children)) for a in answers]
    return [nodes.bullet_list("", *items)]


def _plain_remark(remark: quiz_remark) -> nodes.list_item:
    label, why = remark.children
    return nodes.list_item("", nodes.paragraph("", "", *label.children), *why.children)


def setup(app: Sphinx) -> None:
    """Register the directive and how its parts are written."""
    app.add_directive("quiz", Quiz)
    for node, writer in WRITERS.items():
        app.add_node(node, html=writer)
    app.add_post_transform(PlainChecks)
    app.connect("html-page-context", _add_files)

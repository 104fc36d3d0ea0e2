"""A question whose options answer when opened: ``<details>`` elements, no script, no kernel.

```{quiz}
How many free parameters has a joint table over five binary variables?

- [ ] 5 :: That is the count for five independent variables.
- [x] 31 :: Thirty-two probabilities that sum to one.
```
"""

import re
from typing import NamedTuple

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_OPTION = re.compile(r"^[-*] \[(?P<mark>[ xX])\] +(?P<text>.*)$")


class Option(NamedTuple):
    """One answer a reader may try."""

    right: bool
    text: str
    explanation: str


def read_quiz(lines: list[str]) -> tuple[str, list[Option]]:
    """Split a quiz into its question and its options.

    Raises:
        ValueError: No question, fewer than two options, no right one, or one without explanation.
    """
    starts = [i for i, line in enumerate(lines) if _OPTION.match(line)]
    question = "\n".join(lines[: starts[0]] if starts else lines).strip()
    if not question or len(starts) < 2:
        raise ValueError("expected a question and at least two options '- [ ] text :: explanation'")
    options = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        first = _OPTION.match(lines[start])
        body = " ".join([first["text"], *(line.strip() for line in lines[start + 1 : end])])
        text, separator, explanation = body.partition(" :: ")
        if not separator or not explanation.strip():
            raise ValueError(f"expected ' :: ' and an explanation after the option {text!r}")
        options.append(Option(first["mark"] != " ", text.strip(), explanation.strip()))
    if not any(option.right for option in options):
        raise ValueError("expected at least one right option, marked '- [x]'")
    return question, options


class quiz(nodes.General, nodes.Element):
    """A question and its options."""


class quiz_option(nodes.General, nodes.Element):
    """One option: a ``quiz_answer`` and what opens below it."""


class quiz_answer(nodes.General, nodes.TextElement):
    """The text of an option, always visible."""


class Quiz(SphinxDirective):
    """A knowledge check with immediate feedback."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            question, options = read_quiz(list(self.content))
        except ValueError as error:
            raise self.error(f"quiz: {error}") from error
        box = quiz()
        self._parse(question, box)
        for number, option in enumerate(options, start=1):
            entry = quiz_option(right=option.right)
            answer = quiz_answer()
            answer += nodes.inline("", f"Option {number}: ", classes=["visually-hidden"])
            inline, _ = self.state.inline_text(option.text, self.lineno)
            answer += inline
            entry += answer
            verdict = "Right." if option.right else "Not this one."
            self._parse(f"**{verdict}** {option.explanation}", entry)
            box += entry
        return [box]

    def _parse(self, text: str, parent: nodes.Element) -> None:
        lines = StringList(text.splitlines(), source=self.env.docname)
        self.state.nested_parse(lines, self.content_offset, parent)


def _html(opening: str, closing: str):
    def visit(self, node):
        self.body.append(opening)

    def depart(self, node):
        self.body.append(closing)

    return visit, depart


def _visit_option(self, node):
    kind = "right" if node["right"] else "wrong"
    self.body.append(f'<details class="quiz__option quiz__option--{kind}">\n')


def _depart_option(self, node):
    self.body.append("</div></details>\n")


def _silent(self, node):
    pass


def setup(app: Sphinx) -> None:
    """Register the directive and how its parts are written."""
    app.add_directive("quiz", Quiz)
    writers = {
        quiz: _html('<div class="quiz" role="group" aria-label="Knowledge check">\n', "</div>\n"),
        quiz_option: (_visit_option, _depart_option),
        quiz_answer: _html("<summary>", '</summary>\n<div class="quiz__reply">'),
    }
    plain = dict.fromkeys(("latex", "text", "man", "texinfo"), (_silent, _silent))
    for node, html in writers.items():
        app.add_node(node, html=html, **plain)

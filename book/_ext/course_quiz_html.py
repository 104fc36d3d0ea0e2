"""The parts of a knowledge check as nodes, and how each is written in HTML."""

import html
import json
import re

from docutils import nodes


class quiz(nodes.General, nodes.Element):
    """A check: its question, what a reader works with, its solution."""


class quiz_question(nodes.General, nodes.Element):
    """The question, any blocks."""


class quiz_answers(nodes.General, nodes.Element):
    """The options, the steps, or the field for a number."""


class quiz_answer(nodes.General, nodes.TextElement):
    """One option or step."""


class quiz_solution(nodes.comment):
    """All remarks. A comment, so that the index of the search passes it by."""


class quiz_remark(nodes.General, nodes.Element):
    """What the script must know of one entry, as ``key``; a ``quiz_label``, a ``quiz_why``."""


class quiz_label(nodes.General, nodes.TextElement):
    """The entry's text again, with a verdict."""


class quiz_why(nodes.General, nodes.Element):
    """The explanation, any blocks."""


_BUTTONS = (
    '<div class="check__buttons"><button type="button" class="check__try">Check</button>'
    '<button type="button" class="check__reset">Start again</button></div>\n'
    '<p class="check__status" role="status"></p>\n'
)


def as_references(fragment: str) -> str:
    """Write every letter and digit between the tags of a piece of HTML as a reference to it."""
    pieces = re.split(r"(<[^>]*>)", fragment)
    return "".join(p if p.startswith("<") else _references(html.unescape(p)) for p in pieces)


def _references(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c.isalnum() else html.escape(c) for c in text)


def _visit_quiz(self, node):
    name = f"check-{node['key']}"
    node["name"] = name
    for place, answer in enumerate(node.findall(quiz_answer)):
        answer["place"], answer["name"], answer["kind"] = place, name, node["kind"]
    self.body.append(
        f'<fieldset class="check check--{node["kind"]}" id="{name}" data-check="{node["key"]}"'
        f' data-kind="{node["kind"]}" aria-labelledby="{name}-title {name}-question">\n'
        f'<legend id="{name}-title">Question {node["number"]}</legend>\n'
    )


def _depart_quiz(self, node):
    self.body.append("</fieldset>\n")
    if node is list(self.document.findall(quiz))[-1]:
        self.body.append(
            '<p class="check-print">Answers and explanations are on the page itself, '
            "where the questions can be tried.</p>\n"
        )


def _visit_question(self, node):
    name = node.parent["name"]
    self.body.append(f'<div class="check__question" id="{name}-question">')


def _visit_answers(self, node):
    kind = node.parent["kind"]
    if kind == "number":
        self.body.append(_number_field(node, node.parent["name"]))
    else:
        self.body.append('<ol class="check__steps">\n' if kind == "order" else "<ul>\n")


def _depart_answers(self, node):
    ending = {"number": "", "order": "</ol>\n"}.get(node.parent["kind"], "</ul>\n")
    self.body.append(ending + _BUTTONS)


def _number_field(node: quiz_answers, name: str) -> str:
    """A field, and the unit beside it: none, a word, or a choice."""
    # A telephone's keyboard of digits has no minus sign.
    keys = "" if node["signed"] else ' inputmode="decimal"'
    field = (
        f'<div class="check__number"><label>Your answer <input type="text"{keys} autocomplete="off"'
        f' spellcheck="false" aria-describedby="{name}-reply"></label>'
    )
    units = [(html.escape(unit), factor) for unit, factor in node["units"]]
    if len(units) == 1:
        field += f' <span class="check__unit" data-factor="1">{units[0][0]}</span>'
    elif units:
        choices = "".join(f'<option value="{factor!r}">{unit}</option>' for unit, factor in units)
        field += f' <select aria-label="Unit">{choices}</select>'
    return f'{field}</div>\n<div class="check__reply" id="{name}-reply" aria-live="polite"></div>\n'


def _visit_answer(self, node):
    part = f"{node['name']}-{node['place']}"
    if node["kind"] == "order":
        self.body.append(
            f'<li data-shown="{node["place"]}"><div class="check__step">'
            f'<span class="check__text" id="{part}">'
        )
        return
    control = "radio" if node["kind"] == "single" else "checkbox"
    self.body.append(
        f'<li><label><input type="{control}" name="{node["name"]}" autocomplete="off"'
        f' aria-describedby="{part}"><span class="check__text">'
    )


def _depart_answer(self, node):
    part = f"{node['name']}-{node['place']}"
    if node["kind"] == "order":
        moves = "".join(
            f'<button type="button" data-move="{step}" id="{part}-{word}" aria-label="Move {word}"'
            f' aria-labelledby="{part}-{word} {part}">{arrow}</button>'
            for step, word, arrow in ((-1, "up", "\u2191"), (1, "down", "\u2193"))
        )
        self.body.append(f'</span><span class="check__moves">{moves}</span></div>')
        self.body.append('<div class="check__reply" aria-live="polite"></div></li>\n')
    else:
        reply = f'<div class="check__reply" id="{part}" aria-live="polite"></div>'
        self.body.append(f"</span></label>{reply}</li>\n")


def _visit_solution(self, node):
    node["start"] = len(self.body)
    tag = "ol" if node.parent["kind"] == "order" else "ul"
    self.body.append(f"<details><summary>Solution</summary><{tag}>\n")


def _depart_solution(self, node):
    tag = "ol" if node.parent["kind"] == "order" else "ul"
    self.body.append(f"</{tag}></details>")
    folded = as_references("".join(self.body[node["start"] :]))
    # The class is one that the search leaves out when it quotes a page.
    self.body[node["start"] :] = [f'<noscript class="headerlink">{folded}</noscript>\n']


def _visit_remark(self, node):
    self.body.append(f'<li data-key="{_references(json.dumps(node["key"]))}">')


def _html(opening: str, closing: str):
    def visit(self, node):
        self.body.append(opening)

    def depart(self, node):
        self.body.append(closing)

    return visit, depart


WRITERS = {
    quiz: (_visit_quiz, _depart_quiz),
    quiz_question: (_visit_question, _html("", "</div>\n")[1]),
    quiz_answers: (_visit_answers, _depart_answers),
    quiz_answer: (_visit_answer, _depart_answer),
    quiz_solution: (_visit_solution, _depart_solution),
    quiz_remark: (_visit_remark, _html("", "</li>\n")[1]),
    quiz_label: _html('<span class="check__label">', "</span> "),
    quiz_why: _html('<div class="check__why">', "</div>"),
}

"""The written form of a knowledge check, read into what the page and the script need.

One choice or several, by the number of ``[x]``; a number, by ``[=]``; an order, by ``[1] [2] ...``:

    - [ ] 5 :: That is the count for five independent variables.
    - [x] 31 :: Thirty-two probabilities that sum to one.

    - [=] 1.909 +/- 0.005 :: The loss over 64 dimensions and $\\ln 2$.
    - [ ] 1.323 :: These are nats per dimension.
    - [ ] anything else :: Divide by the number of dimensions, then convert.

    - [1] Write the expectation as an integral. :: It is the definition.
    - [2] Differentiate under the integral sign. :: There is an integral only after the first step.
    - [3] Multiply and divide by the density. :: The gradient is now inside.
"""

import hashlib
import math
import re
from typing import NamedTuple

_ENTRY = re.compile(r"^[-*] \[(?P<mark>[ xX=]|\d+)\] +(?P<text>.*)$")
_FLOAT = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(
    rf"(?P<value>{_FLOAT})(?:\s*(?:±|\+/-)\s*(?P<width>{_FLOAT})\s*(?P<percent>%)?)?"
)
ELSE = "anything else"


class Number(NamedTuple):
    """A value in the first unit, and how far an answer may be from it."""

    value: float
    tolerance: float


class Entry(NamedTuple):
    """An option, a number or a step, and what a reader is told about it."""

    right: bool
    text: str
    why: str
    number: Number | None = None


class Unit(NamedTuple):
    """A unit a reader may answer in; one of it is ``factor`` of the first one."""

    name: str
    factor: float


class Check(NamedTuple):
    """A knowledge check of the kind single, multiple, number or order."""

    kind: str
    question: str
    entries: list[Entry]
    units: list[Unit]


def read_check(lines: list[str], *, units: str = "", multiple: bool = False) -> Check:
    """Read a check from its lines and its options.

    Raises:
        ValueError: One line that says what was expected.
    """
    question, marked = _split(lines)
    marks = {mark for mark, _, _ in marked}
    texts = [text for _, text, _ in marked]
    for text in texts:
        if texts.count(text) > 1:
            raise ValueError(f"expected different options, got {text!r} twice")
    if marks <= {" ", "x"}:
        kind, entries = _choice(marked, multiple)
    elif "=" in marks and marks <= {" ", "="}:
        kind, entries = "number", _numbers(marked)
    elif all(mark.isdigit() for mark in marks):
        kind, entries = "order", _steps(marked)
    else:
        shown = ", ".join(f"[{mark}]" for mark in sorted(marks))
        raise ValueError(f"expected [ ] with [x], [ ] with [=], or [1] [2] ..., got {shown}")
    if units and kind != "number":
        raise ValueError("units: expected only where a number is asked for, with '- [=]'")
    if multiple and kind not in ("single", "multiple"):
        raise ValueError("multiple: expected only where options are chosen, with '- [x]'")
    return Check(kind, question, entries, _units(units))


def _split(lines: list[str]) -> tuple[str, list[tuple[str, str, str]]]:
    """The question, and the mark, text and explanation of each entry."""
    starts = [i for i, line in enumerate(lines) if _ENTRY.match(line)]
    question = "\n".join(lines[: starts[0]] if starts else lines).strip()
    if not question or len(starts) < 2:
        raise ValueError("expected a question and at least two options '- [ ] text :: explanation'")
    marked = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        first = _ENTRY.match(lines[start])
        body = " ".join([first["text"], *(line.strip() for line in lines[start + 1 : end])])
        text, separator, why = body.partition(" :: ")
        if not separator or not why.strip():
            raise ValueError(f"expected ' :: ' and an explanation after the option {text!r}")
        marked.append((first["mark"].lower(), text.strip(), why.strip()))
    return question, marked


def _choice(marked: list[tuple[str, str, str]], multiple: bool) -> tuple[str, list[Entry]]:
    entries = [Entry(mark == "x", text, why) for mark, text, why in marked]
    num_right = sum(entry.right for entry in entries)
    if not num_right:
        raise ValueError("expected at least one right option, marked '- [x]'")
    return ("multiple" if multiple or num_right > 1 else "single"), entries


def _numbers(marked: list[tuple[str, str, str]]) -> list[Entry]:
    """The right number first, then known wrong ones, then what is said of any other."""
    right = [item for item in marked if item[0] == "="]
    if len(right) > 1:
        raise ValueError(f"expected one right number, marked '- [=]', got {len(right)}")
    wrong = [item for item in marked if item[0] == " "]
    if wrong[-1][1] != ELSE:
        raise ValueError(f"expected '- [ ] {ELSE} :: a hint' at the end")
    _, text, why = right[0]
    number, width = _number(text)
    entries = [Entry(True, text, why, number)]
    for _, text, why in wrong[:-1]:
        value, own_width = _number(text)
        if abs(value.value - number.value) <= number.tolerance:
            raise ValueError(f"expected a wrong number outside the right one's range, got {text!r}")
        entries.append(Entry(False, text, why, value if own_width else _within(value.value, width)))
    return [*entries, Entry(False, ELSE, wrong[-1][2])]


def _number(text: str) -> tuple[Number, str]:
    """``1.9``, ``1.9 ± 0.1`` or ``1.9 ± 5 %``; the width as written, empty if there is none."""
    plain = text.replace("\N{MINUS SIGN}", "-").strip("$ ")
    found = _NUMBER.fullmatch(plain)
    if not found:
        raise ValueError(f"expected a number such as '1.9 ± 0.1' or '1.9 ± 5 %', got {text!r}")
    width = (found["width"] or "") + (found["percent"] or "")
    number = _within(float(found["value"]), width)
    if width and not number.tolerance > 0:
        raise ValueError(f"expected a positive tolerance, got {text!r}")
    return number, width


def _within(value: float, width: str) -> Number:
    if width.endswith("%"):
        return Number(value, abs(value) * float(width[:-1]) / 100)
    return Number(value, float(width or 0))


def _steps(marked: list[tuple[str, str, str]]) -> list[Entry]:
    written = [int(mark) for mark, _, _ in marked]
    if written != list(range(1, len(marked) + 1)) or len(marked) < 3:
        shown = ", ".join(map(str, written))
        raise ValueError(f"expected at least three steps, numbered 1, 2, 3, ..., got {shown}")
    return [Entry(True, text, why) for _, text, why in marked]


def _units(text: str) -> list[Unit]:
    """``nats, bits = 0.6931``: the unit of the numbers, then what one of another is in it."""
    units = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, factor = (piece.strip() for piece in part.partition("="))
        size = float(factor) if re.fullmatch(_FLOAT, factor) else math.nan
        if not name or bool(equals) != bool(units) or (equals and not size > 0):
            raise ValueError(f"units: expected such as 'nats, bits = 0.6931', got {text!r}")
        if name.lower() in (unit.name.lower() for unit in units):
            raise ValueError(f"units: expected different names, got {name!r} twice")
        units.append(Unit(name, size if equals else 1.0))
    return units


def identify(question: str) -> str:
    """Ten letters that stay as long as the question's words stay."""
    return hashlib.sha256(" ".join(question.split()).encode()).hexdigest()[:10]


def shuffled(steps: list[Entry]) -> list[int]:
    """The places of the steps in the order shown first: the same in every build, never right."""
    places = list(range(len(steps)))
    mixed = sorted(places, key=lambda place: identify(steps[place].text))
    return mixed if mixed != places else mixed[1:] + mixed[:1]

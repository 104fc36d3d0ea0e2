"""Lines that IPython understands and Python does not, taken out without running anything.

``%time``, ``!pip install torch``, ``x = !ls``, ``torch.where?`` and the calls of
``get_ipython()`` that nbconvert writes become ``pass``. A line counts only where a statement can
begin: not inside a text in triple quotes, nor inside brackets, where ``% n`` is a remainder. A cell
that begins with ``%%bash`` or another foreign language is dropped whole; after ``%%time`` and its
kin the cell goes on in Python.
"""

import re
from collections.abc import Iterable

_STILL_PYTHON = {"time", "timeit", "capture", "prun", "python", "python3"}
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_MAGIC = re.compile(
    r"[ \t]*(%{1,2}[A-Za-z_]|!|\?|[\w., \t]+=[ \t]*(!|%[A-Za-z_])|[\w.]+\?\??[ \t]*$"
    r"|get_ipython\(\)\.)"
)
_TOKEN = re.compile(
    r"\"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\\?\Z)|'''(?:\\.|[^\\])*?(?:'''|\\?\Z)"
    r"|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?"
    r"|\#[^\n]*|\\\n|[\[({\])}]|\n|[^\"'\#\\\[({\])}\n]+|.",
    re.S,
)
"""A text, comment, bracket or stretch; an unfinished text ends with its line or the cell, so that
the time stays linear whatever the cell holds."""


def without_magics(cells: Iterable[str]) -> tuple[list[str], int]:
    """Return the cells with IPython's lines replaced, and how many lines there were."""
    cleaned = [_without_magics(cell) for cell in cells]
    return [cell for cell, _ in cleaned], sum(count for _, count in cleaned)


def _without_magics(cell: str) -> tuple[str, int]:
    if (first := _CELL_MAGIC.match(cell)) and first[1] not in _STILL_PYTHON:
        return "", len(cell.strip().splitlines())
    out: list[str] = []
    position = depth = count = 0
    at_start = True
    while position < len(cell):
        if at_start and depth == 0 and (end := _end_of_magic(cell, position)):
            line = cell[position:end]
            indent = line[: len(line) - len(line.lstrip())]
            out.append(f"{indent}pass" + "\n" * line.count("\n"))
            count += 1
            position, at_start = end, False
            continue
        token = _TOKEN.match(cell, position)[0]
        depth = max(depth + (token in "([{") - (token in ")]}"), 0)
        at_start = token == "\n"
        out.append(token)
        position += len(token)
    return "".join(out), count


def _end_of_magic(cell: str, start: int) -> int | None:
    """Where the magic that begins here ends, before its last line break; ``None`` if none does."""
    end = cell.find("\n", start)
    end = len(cell) if end < 0 else end
    if not _MAGIC.match(cell[start:end]):
        return None
    while cell[end - 1] == "\\" and end < len(cell):
        following = cell.find("\n", end + 1)
        end = len(cell) if following < 0 else following
    return end

"""Submissions that are the same, byte by byte or as code.

Two files may differ in every byte and hold one piece of work: somebody changed the comments, the
spacing or the names. So code is compared by its *outline*: comments, spacing and texts in triple
quotes are dropped, and each name that is neither Python's own nor an attribute becomes a number,
counted in the order of first use. Code is only cut into words for this, never parsed or run.

The same outline says that two files share an origin. It says nothing about who wrote it.
"""

import builtins
import hashlib
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from course_utils.grading.cards import Card
from course_utils.grading.submissions import read_submission

_WORD = re.compile(
    r"(?P<drop>\"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\\?\Z)|'''(?:\\.|[^\\])*?(?:'''|\\?\Z)|\#[^\n]*|\s+)"
    r"|(?P<text>\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?)"
    r"|(?P<name>\.?[^\W\d]\w*)|(?P<other>[\d.]\w*|.)",
    re.S,
)
_PYTHONS_OWN = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)}


@dataclass(frozen=True)
class Alike:
    """Submissions that are the same.

    Attributes:
        what: In which way.
        cards: Two or more.
    """

    what: str
    cards: tuple[Card, ...]


def outline(cells: Iterable[str]) -> str:
    """A hash of code that comments, spacing and the names of variables do not change.

    Args:
        cells: The text of each cell.

    Returns:
        The hash; empty if there is no code.
    """
    numbers: dict[str, int] = {}
    words = []
    for match in _WORD.finditer("\n".join(cells)):
        kind, word = match.lastgroup, match[0]
        if kind == "text":
            words.append(f"'{word.strip(word[0])}'")
        elif kind == "name" and word[0] != "." and word not in _PYTHONS_OWN:
            words.append(f"#{numbers.setdefault(word, len(numbers))}")
        elif kind != "drop":
            words.append(word)
    return hashlib.sha256(" ".join(words).encode("utf-8", "replace")).hexdigest() if words else ""


def find_alike(cards: Iterable[Card], paths: Mapping[str, Path]) -> list[Alike]:
    """Find the groups of submissions that are the same file or the same code.

    Args:
        cards: The results.
        paths: Where the submissions lie, by name; one that is missing is compared by its bytes.

    Returns:
        Groups of two or more, files first. Code is named where the files differ.
    """
    files: dict[str, list[Card]] = {}
    codes: dict[str, list[Card]] = {}
    for card in cards:
        if card.sha256:
            files.setdefault(card.sha256, []).append(card)
        if card.key in paths:
            codes.setdefault(outline(read_submission(paths[card.key]).cells), []).append(card)
    codes.pop("", None)
    groups = [Alike("file", tuple(group)) for group in files.values() if len(group) > 1]
    for group in codes.values():
        if len({card.sha256 for card in group}) > 1:
            earned = any(card.score > 0 for card in group)
            what = "code" if earned else "code, without points (an untouched handout?)"
            groups.append(Alike(what, tuple(group)))
    return groups

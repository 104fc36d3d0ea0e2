"""Which chapters strict nbval has compared, and in which state, so that not all wait every time.

``tests/compared.json`` is committed like a lock file: a line for each chapter with the key of the
state it was compared in and the CPU seconds it took. A line that is not of the chapter's present
state, or missing, only makes the chapter due, so an old file costs time and hides nothing.
"""

import hashlib
import json
import platform
import random
import sys
from collections.abc import Iterable

import nbformat

import provenance
import store
from chapters import ROOT, find_chapters, key

LEDGER = ROOT / "tests" / "compared.json"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
LOT = 400.0
"""CPU seconds of chapters that are compared again though nothing about them changed."""


def read() -> dict[str, dict]:
    """The ledger; no file is an empty one, and a file that cannot be read ends the program."""
    try:
        return json.loads(LEDGER.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        where = LEDGER.relative_to(ROOT)
        sys.exit(f"{where}: expected JSON, got {error}; delete it and run make validate")


def states(names: Iterable[str]) -> dict[str, str]:
    """A key for each chapter of all that decides what a comparison finds.

    Of Python only the minor version counts: a machine with another patch release would otherwise
    compare the whole book.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    rules = SANITIZE.read_bytes()
    return {
        chapter.name: hashlib.sha256(key(chapter, python).encode() + rules).hexdigest()[:16]
        for chapter in find_chapters(names)
    }


def due(names: list[str], lot: float = LOT) -> tuple[list[str], list[str]]:
    """Chapters not compared in their present state, and others drawn by the commit.

    The draw ends before it exceeds ``lot`` CPU seconds, so that its time stays the same however
    long the book grows, and another commit draws others.
    """
    known, present = read(), states(names)
    changed = [name for name in names if known.get(name, {}).get("state") != present[name]]
    others = [name for name in names if name not in changed]
    random.Random(provenance.commit(ROOT)).shuffle(others)
    drawn: list[str] = []
    for name in others:
        lot -= known[name]["cpu_seconds"]
        if lot < 0:
            break
        drawn.append(name)
    return changed, sorted(drawn)


def record(names: list[str]) -> None:
    """Write down that these were compared without a difference; lines of no chapter are dropped."""
    known, present = read(), states(names)
    for name in names:
        if known.get(name, {}).get("state") != present[name]:
            known[name] = {"state": present[name], "cpu_seconds": _seconds(name)}
    kept = {chapter.name for chapter in find_chapters()} & set(known)
    lines = [f"  {json.dumps(name)}: {json.dumps(known[name])}" for name in sorted(kept)]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if not LEDGER.exists() or LEDGER.read_text(encoding="utf-8") != text:
        store.write_atomically(LEDGER, text)


def _seconds(name: str) -> float:
    notebook = nbformat.read(store.executed_path(name), as_version=4)
    return notebook.metadata.course.cpu_seconds

"""Executed notebooks, kept under the key of what they were made from.

A result is written under a temporary name, synced and renamed, and carries a checksum: whatever
interrupts the work, the store holds whole results only, and a damaged file is found and dropped.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import nbformat

from chapters import BUILD

STORE = BUILD / "cache"
EXECUTED = BUILD / "executed"


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save(key: str, notebook: nbformat.NotebookNode) -> None:
    """Keep an executed notebook: first line its checksum, then its JSON."""
    text = nbformat.writes(notebook)
    write_atomically(STORE / key, f"{_checksum(text)}\n{text}")


def load(key: str) -> nbformat.NotebookNode | None:
    """The executed notebook kept under ``key``, or ``None``; a damaged file is dropped."""
    path = STORE / key
    if not path.exists():
        return None
    checksum, _, text = path.read_text(encoding="utf-8", errors="replace").partition("\n")
    if checksum != _checksum(text):
        print(f"cache: {path.name} is damaged; dropped, its chapter runs again", file=sys.stderr)
        path.unlink()
        return None
    return nbformat.reads(text, as_version=4)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def executed_path(name: str) -> Path:
    """Where the executed notebook of the chapter ``name`` lies."""
    return EXECUTED / f"{name}.ipynb"


def publish(name: str, notebook: nbformat.NotebookNode) -> None:
    """Put an executed notebook where the site build and strict nbval look for it."""
    text = nbformat.writes(notebook)
    path = executed_path(name)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


def withdraw(keep: set[str]) -> None:
    """Remove executed notebooks of chapters that are not in ``keep``."""
    for path in EXECUTED.rglob("*.ipynb"):
        if str(path.relative_to(EXECUTED).with_suffix("")) not in keep:
            path.unlink()

"""What students hand in: found in folders, and read as cells of Python, whatever it looks like.

A submission is a notebook (``.ipynb``) or a script (``.py``, cells begin with ``# %%``). It was
written by somebody else and is read by the trusted side of the grader, so three rules hold here:

- nothing is parsed, compiled or run as Python; a cell is text until it is inside the sandbox;
- only regular files up to ``LARGEST_FILE`` bytes are opened, and links in folders are not followed;
- no file stops the others: whatever is wrong with one becomes a sentence in its ``notes``.

Of a notebook only the text of its code cells counts. Ids, metadata, outputs and the kernel's name
are ignored. Lines for IPython (``%matplotlib inline``, ``!pip install ...``) become ``pass``, so
that line numbers stay and an indented block keeps its body.
"""

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_utils.arguments import ArgumentError
from course_utils.grading.magics import without_magics

SUFFIXES = (".ipynb", ".py")
"""Files that can be handed in."""

LARGEST_FILE = 20 * 2**20
"""Bytes of a submission."""

LARGEST_SOURCE = 2**20
"""Bytes of all its code."""

MOST_CELLS = 1000
"""Code cells of a submission."""

_LONGEST_NAME = 80
_SKIPPED_FOLDERS = {"__pycache__", "__MACOSX"}
_MARKER = re.compile(r"^#(?: ?%%(?P<title>.*)| In ?\[[ \d]*\]:\s*)$")
_OTHER_KIND = re.compile(r"\[(markdown|md|raw)\]")


@dataclass(frozen=True)
class Submission:
    """One submission, read.

    Attributes:
        name: Under which its result is kept; letters, digits and a few signs, never a path.
        path: Where it was found.
        sha256: Of the file's bytes; empty if they could not be read.
        cells: The text of its code cells in order, fit to be encoded as UTF-8.
        notes: One sentence for each thing that is wrong with it or was left out.
    """

    name: str
    path: Path
    sha256: str
    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a search through folders gave.

    Attributes:
        paths: Where each submission lies, by name, in the order of the names.
        remarks: One line for each thing an instructor should know, such as skipped files.
    """

    paths: dict[str, Path]
    remarks: tuple[str, ...] = ()


class _Unreadable(Exception):
    """Nothing of this file can be used; the text says why in one sentence."""


def read_submission(path: Path, name: str | None = None) -> Submission:
    """Read one file; never raises on account of what is in it.

    Args:
        path: A ``.py`` or ``.ipynb`` file.
        name: Under which its result is kept; made from the file's name if not given.
    """
    name = safe_name(path.stem) if name is None else name
    sha256 = ""
    try:
        data = _read_bytes(path)
        sha256 = hashlib.sha256(data).hexdigest()
        read = _notebook_cells if path.suffix.lower() == ".ipynb" else _script_cells
        cells, notes = read(data)
        _check_size(cells)
    except _Unreadable as error:
        return Submission(name, path, sha256, (), (str(error),))
    if not any(cell.strip() for cell in cells):
        notes = [*notes, "It has no code in it."]
    cells, ignored = without_magics(cells)
    if ignored:
        notes = [*notes, f"Lines for IPython (such as % or !) are ignored: {ignored}."]
    return Submission(name, path, sha256, tuple(cells), tuple(notes))


def fingerprint(path: Path) -> str:
    """The SHA-256 of a file's bytes, of the first ones if it is too large, else an empty text."""
    try:
        return hashlib.sha256(_read_bytes(path, whole=False)).hexdigest()
    except _Unreadable:
        return ""


def _read_bytes(path: Path, whole: bool = True) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _Unreadable("It is not a regular file.")
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _Unreadable(f"The file cannot be read: {error.strerror or error}.") from None
    if whole and len(data) > LARGEST_FILE:
        limit = LARGEST_FILE // 2**20
        raise _Unreadable(f"The file is larger than {limit} MiB. Clear its outputs and try again.")
    return data


def _check_size(cells: list[str]) -> None:
    if len(cells) > MOST_CELLS:
        raise _Unreadable(f"It has {len(cells)} code cells; at most {MOST_CELLS} are read.")
    if sum(map(len, cells)) > LARGEST_SOURCE:
        raise _Unreadable(f"Its code is longer than {LARGEST_SOURCE // 2**10} KiB.")


def _decode(data: bytes) -> tuple[str, list[str]]:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text, notes = data.decode(encoding), []
    except UnicodeDecodeError:
        text, notes = data.decode("latin-1"), ["It is not in UTF-8 and was read as Latin-1."]
    if "\0" in text:
        raise _Unreadable("It is a binary file, not a text.")
    return text, notes


def _script_cells(data: bytes) -> tuple[list[str], list[str]]:
    text, notes = _decode(data)
    cells: list[list[str]] = [[]]
    is_code = [True]
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if marker := _MARKER.match(line):
            cells.append([])
            is_code.append(not _OTHER_KIND.search(marker["title"] or ""))
        else:
            cells[-1].append(line)
    is_code[0] = any(line.strip() and not line.startswith("#") for line in cells[0])
    kept = [cell for cell, code in zip(cells, is_code, strict=True) if code]
    return ["\n".join(cell).strip("\n") for cell in kept], notes


def _notebook_cells(data: bytes) -> tuple[list[str], list[str]]:
    text, notes = _decode(data)
    try:
        notebook = json.loads(text)
    except RecursionError:
        raise _Unreadable("The notebook is nested too deeply to be read.") from None
    except ValueError:
        raise _Unreadable("The notebook is damaged: its text is not complete JSON.") from None
    if not isinstance(notebook, dict):
        raise _Unreadable("The file is JSON but not a notebook.")
    _check_language(notebook.get("metadata"))
    cells = []
    for cell in _raw_cells(notebook):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = _source(cell)
        if source is None:
            notes.append(f"The text of code cell {len(cells) + 1} is damaged and was left out.")
        cells.append(source or "")
    return cells, notes


def _raw_cells(notebook: dict[str, Any]) -> list[Any]:
    if isinstance(notebook.get("cells"), list):
        return notebook["cells"]
    sheets = notebook.get("worksheets")
    if isinstance(sheets, list):
        sheets = [s["cells"] for s in sheets if isinstance(s, dict) and "cells" in s]
        return [cell for cells in sheets if isinstance(cells, list) for cell in cells]
    raise _Unreadable("The file is JSON but not a notebook: it has no cells.")


def _source(cell: dict[str, Any]) -> str | None:
    source = cell.get("source", cell.get("input"))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    return source.encode("utf-8", "replace").decode("utf-8")


def _check_language(metadata: Any) -> None:
    for key, entry in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(key) if isinstance(metadata, dict) else None
        language = part.get(entry) if isinstance(part, dict) else None
        if isinstance(language, str) and language.strip():
            if not re.match(r"i?python", language.strip(), re.I):
                shown = _printable(language.strip())[:40]
                raise _Unreadable(f"It is a notebook in {shown}, not in Python.")
            return


def find_submissions(places: Iterable[Path]) -> Found:
    """Find the submissions in files and folders, and give each a name of its own.

    A file in a folder is named by its path within it, without the suffix; where that would give
    two submissions one name, the suffix and the folders that tell them apart are added.

    Args:
        places: Files, and folders that are searched with everything below them.

    Raises:
        ArgumentError: A place does not exist or has the wrong suffix, or nothing was found.
    """
    places = list(places)
    found: dict[Path, str] = {}
    skipped: list[Path] = []
    for place in places:
        if not place.exists():
            raise ArgumentError(f"submissions: expected a file or folder, got {str(place)!r}")
        for file, stem in _files_of(place, skipped):
            if file.suffix.lower() in SUFFIXES:
                found.setdefault(file.absolute(), safe_name(stem.as_posix()))
            else:
                skipped.append(file)
    if not found:
        where = ", ".join(map(str, places))
        raise ArgumentError(f"submissions: expected .ipynb or .py files, found none in {where}")
    paths, remarks = _told_apart(found)
    if skipped:
        remarks.append(
            f"skipped, because only regular .ipynb and .py files are read: {len(skipped)}, "
            f"such as {_printable(skipped[0].name)}"
        )
    return Found(dict(sorted(paths.items())), tuple(remarks))


def _files_of(place: Path, skipped: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield each file with the path it is named by; note what cannot be entered or is no file."""
    if not place.is_dir():
        yield place, Path(place.stem)
        return
    walk = os.walk(place, onerror=lambda error: skipped.append(Path(error.filename)))
    for here, folders, names in walk:
        folders[:] = sorted(f for f in folders if f[0] != "." and f not in _SKIPPED_FOLDERS)
        for path in (Path(here, name) for name in sorted(names) if name[0] != "."):
            if _is_regular(path):
                yield path, path.relative_to(place).with_suffix("")
            else:
                skipped.append(path)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _told_apart(found: dict[Path, str]) -> tuple[dict[str, Path], list[str]]:
    groups: dict[str, list[Path]] = {}
    for path, name in found.items():
        groups.setdefault(name.casefold(), []).append(path)
    paths = {found[group[0]]: group[0] for group in groups.values() if len(group) == 1}
    taken = {name.casefold() for name in paths}
    remarks: list[str] = []
    for group in (group for group in groups.values() if len(group) > 1):
        common = Path(os.path.commonpath([path.parent for path in group]))
        names = [safe_name(path.relative_to(common).as_posix()) for path in group]
        if len({name.casefold() for name in names} - taken) < len(names):
            names = [f"{path.stem}-{_short_hash(path.as_posix())}" for path in group]
            names = [safe_name(name) for name in names]
        taken.update(name.casefold() for name in names)
        paths.update(zip(names, group, strict=True))
        remarks.append(f"{len(group)} submissions of one name are all graded: {', '.join(names)}")
    return paths, remarks


def safe_name(text: str) -> str:
    """A name for files, tables and pages, made from whatever a student called a file.

    Letters, digits, space and ``._@+-`` stay and a slash becomes ``__``; if anything else had to
    go, a hash of the original keeps the name apart from others.
    """
    plain = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    name = re.sub(r"[^\w .@+-]", "_", plain.replace("/", "__"))
    name = re.sub(r"^[^\w]+", "_", name)[:_LONGEST_NAME].rstrip(" .")
    if name and name == plain.replace("/", "__"):
        return name
    return f"{name or 'submission'}-{_short_hash(text)}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)

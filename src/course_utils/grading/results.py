"""Grades on disk: one file per submission, whole or absent, and found again after any interruption.

    grades/run.json              the assignment and the seed of this folder
    grades/results/NAME.json     one result, written the moment it is known
    grades/records/NAME.json     the same submission for the grader: its key, attempts, mistakes
    grades/grades.csv            one row per result

A record carries a *key*, the hash of everything that the points depend on: the submission, the
questions with their tests, the grader, and the seed; and the hash of the result that was found
under it. A result whose key and hash still fit is never computed again; if a student hands in anew
or a test is mended, the key no longer fits and the submission is graded again. Every file is
written under another name, flushed to the disk and then renamed, which the system does in one
step: a reader, or a run that goes on where another was killed, sees the old content or the new one
and nothing in between.
"""

import csv
import hashlib
import io
import json
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

import course_utils
from course_utils.arguments import ArgumentError
from course_utils.grading.questions import Question
from course_utils.grading.weeks import questions_of

Result = dict[str, Any]
"""What the engine returns, with ``file`` and ``key``; ``ungraded`` says why there is no grade."""

RESULT = (
    *("assignment", "submission", "sha256", "score", "max_score", "isolation", "seed", "seconds"),
    *("questions", "notes"),
)
"""What a result holds on disk; all else is in the record."""

MARK = ("score", "max_score", "message")
"""What each question of a result holds on disk."""

_LARGEST_RESULT = 4 * 2**20


def title_of(week: str) -> str:
    """What people call an assignment: ``week01`` for ``w01``."""
    return f"week{week[1:]}"


def result_key(sha256: str, week: str, seed: int) -> str:
    """The hash of all that a result depends on.

    Args:
        sha256: Of the submission's bytes.
        week: The assignment, such as ``"w01"``.
        seed: Of the hidden instances.
    """
    parts = [sha256, week, str(seed), grader_hash()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def grader_hash() -> str:
    """The hash of the tests, of the course's code they compute with, and of the versions."""
    root = Path(course_utils.__file__).parent
    digest = hashlib.sha256(f"{course_utils.__version__} {torch.__version__}".encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that at every moment its old or its new content is there, whole."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class ResultStore:
    """The results of one assignment and one seed in one folder.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path, week: str, seed: int) -> "ResultStore":
        """Open a folder of results, or begin one.

        Args:
            folder: A folder of this command's, an empty one, or one to be made.
            week: The assignment.
            seed: Of the hidden instances.

        Raises:
            ArgumentError: It cannot be written to, holds something else, or belongs to another
                assignment or seed.
        """
        label, wanted = folder / "run.json", {"assignment": title_of(week), "seed": seed}
        try:
            if label.exists():
                _check_label(folder, _read_json(label), wanted)
            elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise ArgumentError(
                    f"--out: expected a new folder or one with results, got {str(folder)!r}"
                )
            for part in ("results", "records"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            write_atomically(label, _as_json(wanted))
        except OSError as error:
            reason = error.strerror or error
            raise ArgumentError(f"--out: cannot write to {str(folder)!r}: {reason}") from None
        return cls(folder)

    def path(self, name: str) -> Path:
        """Where the result of a submission is or will be."""
        return self.folder / "results" / f"{name}.json"

    def load(self, name: str, key: str) -> Result | None:
        """The result of a submission if it is there, whole, and still fits its key."""
        record = self._record(name, key)
        try:
            data = self.path(name).read_bytes()
        except OSError:
            return None
        if "result" not in record or record["result"] != hashlib.sha256(data).hexdigest():
            return None
        result = json.loads(data)
        for question, more in record["questions"].items():
            result["questions"][question] |= more
        return {**result, **record["more"]}

    def save(self, name: str, result: Result) -> None:
        """Keep a result; unless it says that there is no grade, forget the attempts it took."""
        questions = result["questions"].items()
        marks = {question: _part(mark, MARK) for question, mark in questions}
        data = _as_json({**_part(result, RESULT), "questions": marks})
        tried = self.attempts(name, result["key"]) if result.get("ungraded") else 0
        record = {
            "key": result["key"],
            "attempts": tried,
            "result": hashlib.sha256(data).hexdigest(),
            "more": _rest(result, RESULT),
            "questions": {question: _rest(mark, MARK) for question, mark in questions},
        }
        write_atomically(self.path(name), data)
        write_atomically(self._place(name), _as_json(record))

    def attempts(self, name: str, key: str) -> int:
        """How often a submission was begun under this key without a result."""
        return self._record(name, key).get("attempts", 0)

    def begin(self, name: str, key: str) -> int:
        """Count an attempt, before it begins, and return its number."""
        number = self.attempts(name, key) + 1
        write_atomically(self._place(name), _as_json({"key": key, "attempts": number}))
        return number

    def _record(self, name: str, key: str) -> dict[str, Any]:
        record = _read_json(self._place(name))
        return record if isinstance(record, dict) and record.get("key") == key else {}

    def _place(self, name: str) -> Path:
        return self.folder / "records" / f"{name}.json"

    def write_table(self, results: Iterable[Result], week: str) -> Path:
        """Write ``grades.csv`` and return its path.

        The same results always give the same bytes, so the table has no times in it. The cell of
        a question that a person marks is empty.
        """
        questions = questions_of(week)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = ["submission", "file", "score", "max_score"]
        ids = [question.id for question in questions]
        writer.writerow([*columns, *ids, "isolation", "seed", "sha256", "notes"])
        for result in sorted(results, key=lambda r: r["submission"]):
            row = [result["submission"], result["file"], result["score"], result["max_score"]]
            row += [_points(result, question) for question in questions]
            row += [result["isolation"], result["seed"], result["sha256"]]
            writer.writerow([_cell(v) for v in [*row, " | ".join(map(str, result["notes"]))]])
        path = self.folder / "grades.csv"
        write_atomically(path, text.getvalue().encode("utf-8", "replace"))
        return path


def _check_label(folder: Path, label: Any, wanted: dict[str, Any]) -> None:
    label = label if isinstance(label, dict) else {}
    if label == wanted:
        return
    expected = f"{wanted['assignment']} with seed {wanted['seed']}"
    got = f"{label.get('assignment', '?')} with seed {label.get('seed', '?')}"
    raise ArgumentError(f"--out: expected results of {expected}, got {str(folder)!r} of {got}")


def _points(result: Result, question: Question) -> Any:
    if question.kind == "explain":
        return ""
    return result["questions"].get(question.id, {}).get("score", 0)


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from taking a student's text for a formula."""
    if not isinstance(value, str):
        return value
    text = "".join(c if c.isprintable() else " " for c in value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _part(values: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _rest(values: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _read_json(path: Path) -> Any:
    """What a file of ours holds; ``None`` if it is not there or damaged."""
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_LARGEST_RESULT))
    except (OSError, ValueError, RecursionError):
        return None

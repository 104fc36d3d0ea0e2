"""Results as the engine returns them, made by hand: one row per question, overridden as wanted."""

import hashlib
from typing import Any

from course_utils.grading.weeks import questions_of

SEED = 918273645
HOSTILE = (
    "</p></title><script>alert('in')</script><img src=x onerror=alert(1)>{{ 7 * 7 }} \ud800\x00\x1b"
)


def row(question_id: str, share: float, message: str = "", mistake: str = "") -> dict[str, Any]:
    """The mark of one question for a share of its points."""
    question = next(q for q in questions_of("w01") if q.id == question_id)
    score = share * question.points
    return {
        "kind": question.kind,
        "score": score,
        "max_score": question.points,
        "message": message or ("right on every kind of input." if share == 1 else "not right."),
        "mistake": mistake or ("" if share == 1 else "other"),
    }


def result(name: str, rows: dict[str, dict[str, Any]] | None = None, **over: Any) -> dict[str, Any]:
    """A result with every question right and the text written, except for ``rows``."""
    marks = {q.id: row(q.id, 1.0) for q in questions_of("w01") if q.kind != "explain"}
    marks["w01-orderings"] = row("w01-orderings", 0.0, "written; a person marks it.") | {
        "mistake": ""
    }
    marks |= rows or {}
    made = {
        "assignment": "week01",
        "submission": name,
        "file": "week01.ipynb",
        "sha256": hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(),
        "score": sum(mark["score"] for mark in marks.values()),
        "max_score": 100,
        "isolation": "bubblewrap",
        "seed": SEED,
        "seconds": 2.5,
        "questions": marks,
        "notes": [],
        "key": "0" * 64,
    }
    return made | over

"""A stand-in for the engine, whose conduct a submission's text decides; nothing in it is run."""

import os
import time
from pathlib import Path

from course_utils.grading.submissions import read_submission
from course_utils.grading.weeks import questions_of


def grade(path: Path, week: str, *, seed: int, isolation: str) -> dict:
    """Points that follow from the bytes and the seed, after a short while."""
    submission = read_submission(path)
    text = "\n".join(submission.cells)
    with (path.parent / "log.txt").open("a") as log:
        log.write(f"{path.name}\n")
    marker = path.with_suffix(".seen")
    if "fake: die always" in text or ("fake: die once" in text and not marker.exists()):
        marker.touch()
        os._exit(9)
    if "fake: raise" in text:
        raise ValueError("the grader stumbled\nover two lines")
    time.sleep(60 if "fake: hang" in text else 0.02)
    part = int(submission.sha256[:4] or "0", 16) + seed
    questions = {
        q.id: {
            "score": float(part % (q.points + 1)),
            "max_score": q.points,
            "message": "",
            "kind": q.kind,
        }
        for q in questions_of(week)
    }
    return {
        "assignment": f"week{week[1:]}",
        "submission": path.name,
        "sha256": submission.sha256,
        "score": sum(row["score"] for row in questions.values()),
        "max_score": 100,
        "isolation": isolation,
        "seed": seed,
        "seconds": 0.02,
        "questions": questions,
        "notes": list(submission.notes),
    }

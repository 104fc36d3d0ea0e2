"""Free text: a machine sees only whether something is there; a person marks it by the rubric."""

from typing import Any

from course_utils.grading.questions import Instance, Mistake, Verdict

_FEWEST_WORDS = 40


def draw(seed: int) -> list[Instance]:
    """A text has no inputs."""
    return [Instance("text", {})]


def examine(answer: Any, instance: Instance) -> Verdict:
    """Accept any text of some length, without points."""
    if not isinstance(answer, str):
        raise Mistake("type", f"expected a text, got a {type(answer).__name__}.")
    words = len(answer.split())
    if words < _FEWEST_WORDS:
        raise Mistake(
            "short", f"{words} words are too few: the question says about how many it takes."
        )
    return Verdict(
        0.0,
        "compare with the model answer, mark yourself by this rubric, and pass marks=... to check:",
        "read",
    )

"""Grade cases under the outer guard, in as many runs of ``driver`` as it takes."""

import functools
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import guard

from course_utils.grading.isolation import LEVELS, available

DRIVER = Path(__file__).with_name("driver.py")
SECONDS = 75  # for one case, at most


@functools.cache
def levels() -> dict[str, str]:
    """The kinds of isolation, best first: an empty text if it can be tried here, or why it cannot.

    Another user needs the guard's own root. The other kinds are within the guard what they are
    without it.
    """
    found = {}
    for level in LEVELS:
        found[level] = guard.missing(as_root=level == "uid")
        if not found[level] and level != "uid" and level not in available():
            found[level] = "not to be had on this machine"
    return found


def outcomes(isolation: str, cases: Sequence[str]) -> dict[str, dict]:
    """Grade cases, and an honest submission before and after them.

    A grader that is ended by a case is started anew for the rest, as an instructor would.

    Args:
        isolation: Kind of isolation.
        cases: Names of cases, each once.

    Returns:
        What ``driver`` says of each; ``"honest"`` is the one before and ``"honest again"`` the one
        after. One that ended the grader has an ``"error"`` and nothing else.
    """
    todo = [*cases, "honest again"]
    found: dict[str, dict] = {}
    while todo:
        for name, told in _run(isolation, todo):
            found[name] = told
            if name in todo:
                todo.remove(name)
    return found


def _run(isolation: str, todo: Sequence[str]) -> Iterator[tuple[str, dict]]:
    """Run one grader for as long as it lives; yield each case that it took up."""
    command = guard.words(str(DRIVER), isolation, *todo, as_root=isolation == "uid")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS * (1 + len(todo))
        )
        out, error = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        out, error = (late.stdout or b"").decode(), "the run hung"
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert len(lines) > 2, error  # the honest submission at least
    ends = [*lines[1::2], {"case": "", "error": error[-2000:]}]
    for began, told in zip(lines[::2], ends, strict=False):
        yield began["begins"], told | {"case": began["begins"]}

"""Grade cases under the outer guard, in as many runs of ``driver`` as it takes."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import guard

DRIVER = Path(__file__).with_name("driver.py")
SECONDS = 75  # for one case, at most


def levels() -> dict[str, str]:
    """The kinds of isolation that can be tried here, best first, and for others why not.

    Returns:
        An empty text for each kind that can be tried, and a reason for each that cannot.
    """
    from course_utils.grading.isolation import LEVELS

    found = {}
    for level in LEVELS:
        found[level] = guard.missing(as_root=level == "uid")
    offered = {level: _offered(level == "uid") for level in LEVELS if not found[level]}
    return {
        level: found[level] or ("" if level in offered[level] else "not to be had here")
        for level in LEVELS
    }


def _offered(as_root: bool) -> list[str]:
    code = "from course_utils.grading.isolation import available; print(*available())"
    words = guard.words("-c", code, as_root=as_root)
    return subprocess.run(words, capture_output=True, text=True, timeout=120).stdout.split()


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
        yield began["begins"], told

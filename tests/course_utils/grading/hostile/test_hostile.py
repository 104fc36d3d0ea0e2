"""Hostile submissions are graded under the outer guard and get nowhere (see ``table``).

A few of them run with the other tests. All of them, at every kind of isolation, take some minutes:

    COURSE_HOSTILE=all pytest tests/course_utils/grading/hostile
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.grading.isolation import available

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import guard  # noqa: E402
from table import CASES, HONEST_POINTS, allowed, what_happened  # noqa: E402

if why := guard.missing():
    pytest.skip(why, allow_module_level=True)

SECONDS = 90  # for one case, at most
ALL = os.environ.get("COURSE_HOSTILE") == "all"
SAMPLE = ("kill-all", "read-solutions")
TESTED = [level for level in available() if level != "uid"] if ALL else [available()[0]]


@functools.cache
def outcomes(isolation: str) -> dict[str, dict]:
    """Grade the cases of this run, and an honest submission before and after them.

    A grader that is ended by a case is started anew for the rest, as an instructor would.
    """
    todo = ["honest", *(CASES if ALL else SAMPLE), "honest"]
    found: dict[str, dict] = {}
    while todo:
        command = guard.words(str(HERE / "driver.py"), isolation, *todo)
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * len(todo))
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, done.stderr
        ends = [*lines[1::2], {"case": "", "error": done.stderr[-2000:]}]
        for began, told in zip(lines[::2], ends, strict=False):
            again = began["begins"] == "honest" and "honest" in found
            found["honest again" if again else began["begins"]] = told
            todo.pop(0)
    return found


@pytest.mark.parametrize("isolation", TESTED)
@pytest.mark.parametrize("case", CASES if ALL else SAMPLE)
def test_a_hostile_submission_gets_nowhere(case, isolation):
    outcome = outcomes(isolation)[case]
    assert what_happened(outcome) == allowed(case, isolation), outcome


@pytest.mark.parametrize("isolation", TESTED)
def test_a_neighbour_gets_the_same_before_and_after(isolation):
    before, after = (outcomes(isolation)[name] for name in ("honest", "honest again"))
    assert before["kept"] == HONEST_POINTS
    for told in (before, after):
        del told["seconds"]
    assert before == after


def test_the_guard_holds_without_a_sandbox():
    code = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
import guard
guard.enter()
assert os.getuid() == guard.NOBODY
assert sorted(name for name in os.listdir("/proc") if name.isdigit()) == ["1", str(os.getpid())]
for place in ("/", "/etc", "/usr", "/var/tmp", str(guard.ROOT), os.path.expanduser("~")):
    try:
        open(os.path.join(place, "mark"), "w")
    except OSError:
        continue
    raise SystemExit(f"wrote to {place}")
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except OSError:
    print("held")
"""
    command = guard.words("-c", code, str(HERE))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("held\n", "")

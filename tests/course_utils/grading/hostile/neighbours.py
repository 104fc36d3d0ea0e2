"""Grade a folder of submissions as one batch, inside the outer guard, and print the results.

    python neighbours.py ISOLATION CASE [CASE ...]

Honest submissions lie before, between and after the cases; a case called ``-`` hands in nothing.
Printed is one line of JSON: the results by name, without what differs from run to run, and what
was left behind.
"""

import contextlib
import json
import os
import sys
import warnings
from pathlib import Path

import guard
import psutil
from driver import SUBMISSIONS, left_behind, present, touched
from files import HONEST, file_of
from table import SEED

from course_utils.grading.batch import Plan, grade_batch
from course_utils.grading.limits import MIB, Limits

warnings.simplefilter("ignore")
NOBODY = "-"
OUT = guard.VICTIMS.with_name("grades")
LIMITS = Limits(cpu_seconds=16, wall_seconds=60, memory_bytes=900 * MIB, processes=16)


def engine(path: Path, week: str, *, seed: int, isolation: str) -> dict:
    """Grade one submission, with less time than a student gets."""
    from course_utils.grading.engine import grade_submission

    return grade_submission(path, week, seed=seed, isolation=isolation, limits=LIMITS)


def hand_in(cases: list[str]) -> None:
    """Write the submissions, sorted by name as they are meant to be graded."""
    SUBMISSIONS.mkdir()
    for number, case in enumerate(cases):
        (SUBMISSIONS / f"{number:02}-a-honest.py").write_text(f"mine = {number}\n{HONEST}")
        if case != NOBODY:
            suffix, data = file_of(case)
            (SUBMISSIONS / f"{number:02}-b-{case}{suffix}").write_bytes(data)
    (SUBMISSIONS / "last.py").write_text(HONEST)


def _is_helper(thing: str) -> bool:
    """Whether this belongs to the grader: a process that others are copied from, or its folder."""
    kind, number, *_ = thing.split(" ", 2)
    if kind != "process":
        return Path(thing).name.startswith(("course-", "pymp-"))
    with contextlib.suppress(psutil.Error):
        command = " ".join(psutil.Process(int(number)).cmdline())
        return "multiprocessing" in command or "forkserver" in command
    return True


def main() -> None:
    """Grade, and print what came of it."""
    guard.enter()
    isolation, *cases = sys.argv[1:]
    os.environ["HOME"] = str(guard.VICTIMS / "home")
    hand_in(cases)
    texts, before = guard.victims(), present()
    plan = Plan(week="w01", seed=SEED, isolation=isolation, num_workers=2, engine=engine)
    report = grade_batch([SUBMISSIONS], OUT, plan)
    for result in report.results.values():
        result.pop("seconds", None)
    helpers = {thing for thing in present() if f"file {OUT}" == thing or _is_helper(thing)}
    left = left_behind(before | helpers)
    told = {"results": report.results, "left": left, "touched": touched(texts)}
    print(json.dumps(told, sort_keys=True))


if __name__ == "__main__":
    main()

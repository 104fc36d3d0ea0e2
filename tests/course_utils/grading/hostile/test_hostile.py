"""Hostile submissions are graded under the outer guard and get nowhere (see ``table``).

All of them run at the best isolation of this machine and with plain limits. Every kind of isolation
takes some minutes more, and for another user the tests must run as root:

    COURSE_HOSTILE=all pytest tests/course_utils/grading/hostile

The cases are spread over a few tests, each with two graders under guards of their own, so any
number of test processes can share them.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import guard  # noqa: E402
from files import SHAPES  # noqa: E402
from runs import levels, outcomes  # noqa: E402
from table import CASES, HONEST_POINTS, NAMED, THROUGH, unforeseen, what_happened  # noqa: E402

if why := guard.missing():
    pytest.skip(why, allow_module_level=True)

PARTS = 4
HAD = [level for level, reason in levels().items() if not reason]
ALL = os.environ.get("COURSE_HOSTILE") == "all"
TESTED = HAD if ALL else list(dict.fromkeys([HAD[0], "plain"]))


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("isolation", TESTED)
def test_hostile_submissions_get_nowhere(isolation, part):
    cases = CASES[part::PARTS]
    with ThreadPoolExecutor() as pool:  # while one grader waits for a sleeper the other works
        both = list(pool.map(outcomes, [isolation] * 2, [cases[::2], cases[1::2]]))
    found = both[0] | both[1]
    wrong = {case: found[case] for case in cases if unforeseen(found[case], isolation)}
    assert wrong == {}, {case: what_happened(outcome) for case, outcome in wrong.items()}
    for run in both:
        before, after = run["honest"], run["honest again"]
        assert (before["kept"], before["forged"], before["notes"]) == (HONEST_POINTS, 0, [])
        ignored = {"case": "", "seconds": 0}
        assert before | ignored == after | ignored


def test_every_kind_that_the_design_names_has_a_case():
    assert {case for cases in NAMED.values() for case in cases} <= set(CASES)
    assert all(NAMED.values())
    assert {case for cases in THROUGH.values() for case in cases} <= set(CASES)


def test_every_case_says_what_it_does():
    for case in set(CASES) - set(SHAPES):
        first, second = (HERE / "cases" / f"{case}.txt").read_text().splitlines()[:2]
        assert first.startswith("# ") and first.endswith("."), case
        assert second == "# %%", case

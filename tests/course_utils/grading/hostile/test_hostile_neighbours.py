"""In one batch, hostile submissions change nothing for the honest ones beside them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import guard  # noqa: E402
from runs import levels  # noqa: E402
from table import HONEST_POINTS  # noqa: E402

if why := guard.missing():
    pytest.skip(why, allow_module_level=True)

WALLED = [level for level, reason in levels().items() if level != "plain" and not reason]
TESTED = WALLED if os.environ.get("COURSE_HOSTILE") == "all" else WALLED[:1]
CASES = ("kill-all", "fork-bomb", "forge-results", "act-after-close")


def batch(isolation: str, *cases: str) -> dict:
    """Grade the cases, and an honest submission before each and after all of them."""
    words = guard.words(str(HERE / "neighbours.py"), isolation, *cases, as_root=isolation == "uid")
    done = subprocess.run(words, capture_output=True, text=True, timeout=500)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("isolation", TESTED)
def test_honest_submissions_get_the_same_with_hostile_ones_between_them(isolation):
    alone = batch(isolation, *["-"] * len(CASES))
    beside = batch(isolation, *CASES)
    honest = alone["results"]
    assert len(honest) == len(CASES) + 1
    assert {result["score"] for result in honest.values()} == {HONEST_POINTS}
    assert {name: beside["results"][name] for name in honest} == honest
    hostile = {name: r for name, r in beside["results"].items() if name not in honest}
    assert [result["score"] for result in hostile.values()] == [HONEST_POINTS] * len(CASES)
    assert (beside["left"], beside["touched"]) == ([], [])

"""The self-test's answers: computed, found again by a formula, and the same as on the page."""

import math
import re
from pathlib import Path

import pytest
from scipy import stats

from course_utils.curriculum.self_test import ITEMS

PAGE = Path(__file__).resolve().parents[3] / "book" / "week00" / "prerequisites.md"
SOURCE = PAGE.read_text(encoding="utf-8")
QUIZZES = {
    name: body
    for body in re.findall(r"(?ms)^```\{quiz\}\n(.*?)^```$", SOURCE)
    for name in re.findall(r"(?m)^:name: (.+)$", body)
}
FORMULAS = {
    "self-test-eigenvalue": 3 + 1,
    "self-test-determinant": 2 * 3 - 1 * 0,
    "self-test-derivative": -math.exp(-0.5),
    "self-test-chain-rule": 2 * math.exp(-1) / (1 + math.exp(-1)) ** 2,
    "self-test-bayes": 0.0099 / (0.0099 + 0.0495),
    "self-test-variance": float(stats.binom(10, 0.3).var()),
    "self-test-normal": math.erf(1 / math.sqrt(2)),
    "self-test-entropy": float(stats.entropy([4, 2, 1, 1], base=2)),
    "self-test-standard-error": 2 / 20,
    "self-test-tensors": 1 + 4,
}
"""The same numbers by another road."""


def entries(body):
    """What a quiz accepts and what it knows to be wrong: pairs of a number and a tolerance."""
    found = {"=": [], " ": []}
    for mark, value, width, unit in re.findall(
        r"(?m)^- \[([= ])\] (-?[\d.]+)(?: ± ([\d.]+)( %)?)? ::", body
    ):
        share = float(width or 0) * (abs(float(value)) / 100 if unit else 1)
        found[mark].append((float(value), share))
    return found["="], found[" "]


def test_there_are_ten_questions_on_the_page_in_this_order():
    assert [item.name for item in ITEMS] == list(QUIZZES)
    assert len(ITEMS) == 10


@pytest.mark.concept("ped.prerequisites")
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_the_page_knows_the_number_and_accepts_no_other(item):
    truth = item.answer()
    assert truth == pytest.approx(FORMULAS[item.name], rel=1e-7)
    right, wrong = entries(QUIZZES[item.name])
    ((value, width),) = right
    assert abs(truth - value) <= max(width, 1e-12)
    assert len(wrong) >= 3
    for other, share in wrong:
        assert abs(other - truth) > share + width


@pytest.mark.concept("ped.prerequisites")
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_a_missed_question_leads_to_a_page(item):
    rows = [line for line in SOURCE.splitlines() if re.match(r"\| [\d, ]+: ", line)]
    number = str(1 + ITEMS.index(item))
    (row,) = [row for row in rows if number in re.findall(r"\d+", row.split(":")[0])]
    here = item.begin_at == PAGE.stem
    assert ("(#concept-ped.prerequisites)" if here else f"({item.begin_at}.md)") in row

"""A master earns every point for every seed: it computes from what it is given."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from course_utils.grading.answers import handed_in
from course_utils.grading.weeks import questions_of

ROOT = Path(__file__).resolve().parents[2]
MASTERS = sorted((ROOT / "solutions").glob("week*.py"))
IMPORT = "from course_utils.grading import check, given\n"


def run(master: Path, seed: int, kinds: set[str]) -> tuple[dict, dict]:
    """Run a master on the data of a seed; return its variables and what it had checked.

    Args:
        master: The script.
        seed: Of what ``given`` returns.
        kinds: The cell with the answer to a question of another kind is left out.
    """
    checked: dict = {}
    questions = {q.id: q for q in questions_of(f"w{master.stem[-2:]}")}
    names = {
        "check": checked.__setitem__,
        "given": lambda question: questions[question].data(seed),
        "print": lambda *values: None,
    }
    for cell in master.read_text(encoding="utf-8").replace(IMPORT, "").split("# %%\n"):
        asked = re.findall(r"begin answer ([\w-]+)", cell)
        if all(questions[question].kind in kinds for question in asked):
            exec(compile(cell, str(master), "exec"), names)
    return names, checked


@pytest.mark.parametrize("seed", range(1, 21))
@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_a_master_passes_hidden_instances(master, seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kinds = {"implement", "compute", "explain"} | ({"experiment"} if seed <= 6 else set())
    names, checked = run(master, seed, kinds)
    asked = [q for q in questions_of(f"w{master.stem[-2:]}") if q.kind in kinds]
    assert list(checked) == [q.id for q in asked]
    for question in asked:
        answer = names[question.answer]
        assert answer is checked[question.id]
        answer = handed_in(answer) if question.kind == "experiment" else answer
        verdict = question.assess(answer, seed)
        assert verdict.status == ("read" if question.kind == "explain" else "right"), verdict


def rounded(value: Any) -> Any:
    """The same with every number of double precision rounded once to single precision."""
    if isinstance(value, torch.Tensor):
        return value.float().double() if value.dtype == torch.float64 else value
    if isinstance(value, tuple | list):
        return type(value)(map(rounded, value))
    return value


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_one_rounding_to_single_precision_on_the_way_is_forgiven(master, seed):
    """As from a buffer that ``torch.zeros`` makes, which is no mistake in the mathematics."""
    names, _ = run(master, seed, {"implement"})
    asked = [q for q in questions_of(f"w{master.stem[-2:]}") if q.kind == "implement"]
    functions = [(q, names[q.answer]) for q in asked if not isinstance(names[q.answer], type)]
    assert functions
    for question, function in functions:
        verdict = question.assess(lambda *args, f=function: rounded(f(*args)), seed)
        assert verdict.status == "right", (question.id, verdict)


@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_a_check_passes_the_variable_that_the_question_names(master):
    text = (ROOT / "exercises" / master.name).read_text(encoding="utf-8")
    passed = dict(re.findall(r'^check\("([\w-]+)", (\w+)\)$', text, re.M))
    assert passed == {q.id: q.answer for q in questions_of(f"w{master.stem[-2:]}")}


@pytest.mark.parametrize("master", MASTERS, ids=lambda p: p.stem)
def test_what_is_handed_out_follows_the_seed_and_is_part_of_what_is_judged(master):
    for question in questions_of(f"w{master.stem[-2:]}"):
        inputs = {name for i in question.instances(3) for name in i.args}
        assert set(question.handout) <= inputs
        same = str(question.data(3)) == str(question.data(4))
        assert same != bool(question.handout)

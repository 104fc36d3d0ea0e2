"""The master's own functions, without running its checks or its training."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def master_of() -> Callable[..., SimpleNamespace]:
    """The functions and classes that a master defines; a name given replaces the master's own."""

    def functions(week: str, **replaced) -> SimpleNamespace:
        path = ROOT / "solutions" / f"{week}.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
        tree.body = [node for node in tree.body if isinstance(node, kept)]
        names: dict = {}
        exec(compile(tree, str(path), "exec"), names)
        names.update(replaced)
        return SimpleNamespace(**names)

    return functions


@pytest.fixture(scope="session")
def master(master_of) -> SimpleNamespace:
    """The functions and classes that solutions/week01.py defines."""
    return master_of("week01")


@pytest.fixture(scope="session")
def _said() -> dict:
    return {}


@pytest.fixture
def fails(_said):
    """Assert that an answer is wrong in one way, with a message of one line that says so.

    What is said of hidden instances has to be the same for all seeds: it depends on no value.
    """
    from course_utils.grading import find_question

    def check(question_id: str, answer, category: str, words: str, seed: int = 0):
        verdict = find_question(question_id).assess(answer, seed)
        assert verdict.status == "wrong", verdict
        assert verdict.mistake == category, verdict
        assert words in verdict.message, verdict
        assert "\n" not in verdict.message
        assert verdict.fraction < 1
        hidden = verdict.discreet()
        plain = _said.setdefault((question_id, category, words), verdict.plain)
        assert plain == verdict.plain
        assert verdict.where in hidden and "\n" not in hidden
        return verdict

    return check

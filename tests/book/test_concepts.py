"""The concept index holds: every label, symbol and test exists, and each test carries its mark."""

import ast
import csv
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ["id", "name", "week", "label", "implementation", "test", "sources"]
with (ROOT / "book" / "concepts.csv").open(encoding="utf-8", newline="") as _file:
    _reader = csv.DictReader(_file)
    FIELDS = _reader.fieldnames
    ROWS = list(_reader)
LABELS = {
    match.group(1)
    for path in (ROOT / "book").rglob("*.md")
    for match in re.finditer(r"^\(concept-([\w.-]+)\)=$", path.read_text("utf-8"), re.MULTILINE)
}


def marks(function: ast.FunctionDef) -> set[str]:
    """Concept ids in the ``pytest.mark.concept`` decorators of a test function."""
    return {
        argument.value
        for call in function.decorator_list
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.concept"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    """Test functions of a file by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def resolve(dotted: str) -> object:
    """The object a dotted path names."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(dotted)


def test_columns_and_unique_ids():
    assert FIELDS == COLUMNS
    ids = [row["id"] for row in ROWS]
    assert len(ids) == len(set(ids)) > 0
    assert all(row[column] for row in ROWS for column in COLUMNS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_concept_has_its_section_implementation_and_marked_test(row):
    assert row["label"] == f"concept-{row['id']}"
    assert row["id"] in LABELS
    for symbol in row["implementation"].split():
        resolve(symbol)
    for test in row["test"].split():
        path, _, name = test.partition("::")
        assert row["id"] in marks(functions(ROOT / path)[name])


def test_no_section_and_no_mark_is_missing_from_the_index():
    ids = {row["id"] for row in ROWS}
    assert ids == LABELS
    marked = {
        mark
        for path in (ROOT / "tests").rglob("test_*.py")
        for function in functions(path).values()
        for mark in marks(function)
    }
    assert marked == ids

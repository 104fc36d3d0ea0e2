"""The package is cut as its docstring, and with it the book's drawing, says."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import course_architecture  # noqa: E402

STAGES, MODULES = course_architecture.read_package(ROOT)
ORDER = [module.name for module in MODULES]


def test_docstring_lists_every_module_and_no_other():
    package = ROOT / "src" / course_architecture.PACKAGE
    there = {file.stem for file in package.glob("*.py") if file.stem != "__init__"}
    there |= {file.parent.name for file in package.glob("*/__init__.py")}
    assert set(ORDER) == there
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_its_left(name):
    earlier = set(ORDER[: ORDER.index(name)])
    assert course_architecture.imports_of(ROOT, name) <= earlier


def test_nothing_imports_the_grading_and_only_its_charts_import_the_figures():
    for name in ORDER:
        allowed = {"plotting"} if name == "grading" else set()
        found = {"plotting", "grading"} & course_architecture.imports_of(ROOT, name)
        assert found <= allowed, name


def test_pipeline_has_one_icon_per_stage():
    assert set(STAGES) == set(course_architecture._ICONS)


def test_imports_are_seen_in_every_form_and_at_every_depth(tmp_path):
    package = tmp_path / "src" / course_architecture.PACKAGE
    (package / "models").mkdir(parents=True)
    (package / "models" / "__init__.py").write_text("import course_utils.nets.mlp\n")
    (package / "models" / "deep.py").write_text(
        "from course_utils import runtime\nfrom course_utils.models import base\n\n\n"
        "def late():\n    from course_utils.worlds.tables import TableWorld\n"
    )
    found = course_architecture.imports_of(tmp_path, "models")
    assert found == {"nets", "runtime", "worlds"}

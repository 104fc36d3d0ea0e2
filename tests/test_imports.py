"""The package is a line: each module imports only from modules to its left.

The order is the one that the docstring of ``course_utils`` prints.
"""

import ast
import re
from pathlib import Path

import pytest

import course_utils

PACKAGE = Path(course_utils.__file__).parent
ORDER = re.findall(r"^    (\w+) {2,}\S", course_utils.__doc__, flags=re.MULTILINE)


def modules() -> dict[str, list[Path]]:
    """The package's modules, each with its files: one, or those of a folder."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            found.setdefault(name, []).append(path)
    return found


def imported(path: Path, source: str | None = None) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    names = set()
    package = ("course_utils", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(source or path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join((*base, *([node.module] if node.module else [])))
            names |= {f"{start}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "course_utils" and len(part) > 1}


def test_the_docstring_lists_each_module_once():
    assert len(ORDER) == len(set(ORDER)) > 10
    assert set(modules()) <= set(ORDER), "a module is missing from the package docstring"
    assert set(ORDER) <= set(modules()), "the package docstring lists a module that is not there"


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_its_left(name):
    allowed = {*ORDER[: ORDER.index(name)], name, "__version__"}
    for path in modules()[name]:
        wrong = imported(path) - allowed
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("name", ORDER)
def test_nothing_imports_plotting_or_grading(name):
    for path in modules()[name]:
        wrong = imported(path) & {"plotting", "grading"} - {name}
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


def test_the_package_itself_imports_nothing_of_its_own():
    assert imported(PACKAGE / "__init__.py") == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import course_utils.worlds.tables", {"worlds"}),
        ("from course_utils import plotting, runtime", {"plotting", "runtime"}),
        ("from course_utils.models.autoregressive import base", {"models"}),
        ("def f():\n    from course_utils.grading import check", {"grading"}),
        ("from .base import Model", {"models"}),
        ("from ...samplers.decoding import ancestral", {"samplers"}),
        ("from ... import grading", {"grading"}),
        ("import torch\nfrom tqdm.auto import tqdm", set()),
    ],
)
def test_every_way_to_import_is_seen(source, found):
    assert imported(PACKAGE / "models" / "autoregressive" / "x.py", source) == found

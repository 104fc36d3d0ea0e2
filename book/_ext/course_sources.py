"""Where a name of the package or of its tests is written down, found without importing anything."""

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A file of the repository and a line in it.

    Attributes:
        path: The file, relative to the root of the repository, with forward slashes.
        line: The line of the definition, or 0 for the whole file.
    """

    path: str
    line: int = 0

    def url(self, repository: str, branch: str) -> str:
        """The address of the place in the repository's web view."""
        anchor = f"#L{self.line}" if self.line else ""
        return f"{repository.rstrip('/')}/blob/{branch}/{self.path}{anchor}"


def find_symbol(root: Path, dotted: str) -> Place:
    """Find ``course_utils.models.autoregressive.NADE.log_prob``, following re-exports.

    Raises:
        LookupError: Nothing of that name is defined there.
    """
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        file = module_file(root, ".".join(parts[:cut]))
        if file is not None:
            return _find_in_module(root, file, parts[cut:], dotted)
    raise LookupError(f"{dotted}: no such module under src/")


def find_test(root: Path, test: str) -> Place:
    """Find ``tests/course_utils/test_x.py::test_name`` or ``...::TestClass::test_name``.

    Raises:
        LookupError: There is no such file or no such test in it.
    """
    path, *names = test.split("::")
    file = root / path
    if not file.is_file():
        raise LookupError(f"{test}: no such file")
    return _find_in_module(root, file, [name.split("[")[0] for name in names], test)


def module_file(root: Path, module: str) -> Path | None:
    """The file of a module under ``src/``, or ``None``."""
    base = root.joinpath("src", *module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _find_in_module(root: Path, file: Path, names: list[str], wanted: str) -> Place:
    path = file.relative_to(root).as_posix()
    scope: ast.AST = ast.parse(file.read_text("utf-8"))
    line = 0
    for depth, name in enumerate(names):
        found = next((node for node in ast.iter_child_nodes(scope) if _defines(node, name)), None)
        if isinstance(found, ast.ImportFrom) and depth == 0:
            original = next(a.name for a in found.names if name in (a.name, a.asname))
            return find_symbol(root, ".".join([found.module, original, *names[1:]]))
        if found is None:
            raise LookupError(f"{wanted}: {path} does not define {name}")
        scope, line = found, found.lineno
    return Place(path, line)


def _defines(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name == name
    if isinstance(node, ast.ImportFrom):
        return any(name == (alias.asname or alias.name) for alias in node.names)
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)

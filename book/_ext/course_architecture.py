"""The pipeline and the module map, drawn from the package's own docstring and imports.

``src/course_utils/__init__.py`` says in its docstring which line every chapter walks and in which
order the modules stand. Both pictures are made from that text and from the import statements, so
they cannot say anything else than the source.
"""

import ast
import html
import re
from dataclasses import dataclass
from pathlib import Path

from course_sources import module_file
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = "course_utils"
_ROW, _TEXT, _WIDTH = 30, 18, 380
_ICONS = {
    "world or dataset": '<circle cx="9" cy="13" r="2"/><circle cx="15" cy="8" r="2"/>'
    '<circle cx="14" cy="17" r="2"/><circle cx="30" cy="28" r="2"/><circle cx="35" cy="33" r="2"/>'
    '<circle cx="28" cy="36" r="2"/><path d="M5 40h34M5 40V4"/>',
    "batch": '<rect x="6" y="6" width="14" height="14"/><rect x="24" y="6" width="14" height="14"/>'
    '<rect x="6" y="24" width="14" height="14"/><rect x="24" y="24" width="14" height="14"/>',
    "model": '<path d="M10 12 34 8M10 12 34 22M10 12 34 36M10 32 34 8M10 32 34 22M10 32 34 36"/>'
    '<circle cx="9" cy="12" r="4"/><circle cx="9" cy="32" r="4"/><circle cx="35" cy="8" r="4"/>'
    '<circle cx="35" cy="22" r="4"/><circle cx="35" cy="36" r="4"/>',
    "objective": '<path d="M5 8c4 36 30 36 34 0"/><circle cx="12" cy="22" r="3"/>'
    '<path d="M16 27l5 5m0-5v5h-5"/>',
    "fit": '<path d="M5 4v36h34M9 8c3 22 12 26 27 27"/>',
    "sample / score": '<rect x="5" y="5" width="20" height="20" rx="4"/>'
    '<circle cx="11" cy="11" r="1.5"/>'
    '<circle cx="19" cy="19" r="1.5"/><circle cx="15" cy="15" r="1.5"/>'
    '<path d="M16 40c8 0 6-11 12-11s4 11 12 11"/>',
    "metric": '<path d="M4 28 28 4l12 12-24 24zM11 21l4 4m2-10 6 6m0-12 4 4m-10 22"/>',
    "figure": '<rect x="5" y="7" width="34" height="30" rx="3"/>'
    '<path d="M10 31l8-11 6 6 4-6 7 11z"/>'
    '<circle cx="30" cy="14" r="2.5"/>',
}


@dataclass(frozen=True)
class Module:
    """One module or subpackage of the course's package.

    Attributes:
        name: Its name below ``course_utils``.
        purpose: What the package's docstring says it is for.
    """

    name: str
    purpose: str


def read_docstring(docstring: str) -> tuple[list[str], list[Module]]:
    """Return the stages of the pipeline and the modules, both from left to right.

    Raises:
        ValueError: The docstring has no pipeline or no list of modules.
    """
    line = re.search(r"^ {4}(\S.*->.*)$", docstring, re.MULTILINE)
    modules = re.findall(r"^ {4}(\w+) {2,}(\S.*)$", docstring, re.MULTILINE)
    if line is None or not modules:
        raise ValueError("the package's docstring shows no pipeline or no modules")
    stages = [stage.strip() for stage in line[1].split("->")]
    return stages, [Module(*found) for found in modules]


def read_package(root: Path) -> tuple[list[str], list[Module]]:
    """Return the stages and the modules that the package under ``root/src`` declares."""
    source = (root / "src" / PACKAGE / "__init__.py").read_text("utf-8")
    return read_docstring(ast.get_docstring(ast.parse(source)) or "")


def files_of(root: Path, module: str) -> list[Path]:
    """All files of a module or subpackage."""
    file = module_file(root, f"{PACKAGE}.{module}")
    if file is None:
        return []
    return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]


def imports_of(root: Path, module: str) -> set[str]:
    """Names of the sibling modules that the files of a module import, at any depth."""
    found = set()
    for file in files_of(root, module):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            found.update(_siblings(node))
    return found - {module}


def _siblings(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
        names = [f"{PACKAGE}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    else:
        names = []
    return {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}


def pipeline_html(stages: list[str]) -> str:
    """The pipeline as a list that wraps on a narrow screen, one small drawing per stage."""
    items = "".join(
        '<li><svg viewBox="0 0 44 44" aria-hidden="true" focusable="false">'
        f"{_ICONS.get(stage, '')}</svg><span>{html.escape(stage)}</span></li>"
        for stage in stages
    )
    return f'<ol class="pipeline" aria-label="The pipeline of every chapter">{items}</ol>'


def arcs_svg(modules: list[Module], imports: dict[str, set[str]]) -> str:
    """Names in import order from top to bottom, an arc from each module to what it imports."""
    row = {module.name: index for index, module in enumerate(modules)}
    height = _ROW * len(modules)
    parts = []
    for module in modules:
        y = _middle(row[module.name])
        for other in sorted(imports[module.name], key=row.__getitem__):
            top = _middle(row[other])
            bend = 14 + 0.44 * (y - top)
            parts.append(f'<path d="M150 {y}c{bend:.0f} 0 {bend:.0f} {top - y} 0 {top - y}"/>')
        parts.append(f'<circle cx="150" cy="{y}" r="4"/>')
        parts.append(f'<text x="138" y="{y + 5}" text-anchor="end">{module.name}</text>')
    edges = sum(map(len, imports.values()))
    says = (
        f"{len(modules)} modules from top to bottom: {', '.join(row)}. {edges} arcs show imports; "
        "each runs from a module up to one that stands above it. The table below lists them."
    )
    return (
        f'<svg class="module-arcs" role="img" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" aria-label="{html.escape(says)}">'
        f"{''.join(parts)}</svg>"
    )


def _middle(row: int) -> int:
    return row * _ROW + _ROW // 2


class _Drawn(SphinxDirective):
    def package(self) -> tuple[list[str], list[Module]]:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / "src" / PACKAGE / "__init__.py"))
        try:
            return read_package(root)
        except (OSError, ValueError) as error:
            raise self.error(f"{self.name}: {error}") from error


class Pipeline(_Drawn):
    """``{pipeline}``: the one line that every chapter walks."""

    def run(self) -> list[nodes.Node]:
        stages, _ = self.package()
        drawn = nodes.raw("", pipeline_html(stages), format="html")
        formula = r"\[" + r"\to ".join(rf"\text{{{stage}}}" for stage in stages) + r"\]"
        return [drawn, nodes.raw("", formula, format="latex")]


class ModuleMap(_Drawn):
    """``{module-map}``: the arcs of the imports, and a table of what each module is for."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        _, modules = self.package()
        modules = [module for module in modules if files_of(root, module.name)]
        known = {module.name for module in modules}
        for module in modules:
            for file in files_of(root, module.name):
                self.env.note_dependency(str(file))
        imports = {module.name: imports_of(root, module.name) & known for module in modules}
        return [
            nodes.raw("", arcs_svg(modules, imports), format="html"),
            self._table(modules, imports),
        ]

    def _table(self, modules: list[Module], imports: dict[str, set[str]]) -> nodes.table:
        order = [module.name for module in modules]
        columns = [nodes.colspec(colwidth=width) for width in (18, 46, 36)]
        columns[0]["stub"] = 1
        group = nodes.tgroup("", *columns, cols=3)
        group += nodes.thead("", self._cells("Module", "What it is for", "Imports"))
        body = nodes.tbody()
        for module in modules:
            used = sorted(imports[module.name], key=order.index)
            body += self._cells(module.name, module.purpose, ", ".join(used) or "nothing")
        group += body
        return nodes.table("", group)

    def _cells(self, *texts: str) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text in texts))


def setup(app: Sphinx) -> None:
    """Register the two drawings."""
    app.add_directive("pipeline", Pipeline)
    app.add_directive("module-map", ModuleMap)

"""Chapters as data: which there are, their notebooks, and the key of everything they depend on.

A chapter's outputs are a function of its code cells, of every package module those cells import
(directly or through others), of the locked versions and of Python. ``key`` is a hash of exactly
these, so a change of any of them, and of nothing else, makes the chapter run again.
"""

import ast
import hashlib
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
PACKAGE = "course_utils"
SOURCES = ROOT / "src"
LOCK = ROOT / "requirements.lock"
BUILD = ROOT / "_build"
WALL_LIMIT = 150.0
"""Wall seconds a chapter may take unless its front matter has ``course: {limit: ...}``."""


@dataclass(frozen=True)
class Chapter:
    """One executable page of the book.

    Attributes:
        name: Path below ``book/`` without suffix, such as ``week01/chain_rule``.
        path: The MyST Markdown source.
    """

    name: str
    path: Path

    def read(self) -> nbformat.NotebookNode:
        """The chapter as a notebook without outputs, read the way the site build reads it."""
        config = MdParserConfig(enable_extensions=set(_myst_extensions()))
        text = self.path.read_text(encoding="utf-8")
        return read_myst_markdown_notebook(text, config=config, path=str(self.path))

    @property
    def limit(self) -> float:
        """Wall seconds this chapter may take."""
        return float(self.read().metadata.get("course", {}).get("limit", WALL_LIMIT))


@cache
def _myst_extensions() -> tuple[str, ...]:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return tuple(config["parse"]["myst_enable_extensions"])


def find_chapters(names: Iterable[str] = ()) -> list[Chapter]:
    """All chapters, or those named; a name that is no chapter is a ``KeyError`` with one line."""
    found = {
        str(path.relative_to(BOOK).with_suffix("")): path
        for path in sorted(BOOK.rglob("*.md"))
        if is_myst_markdown_notebook(path.read_text(encoding="utf-8"))
    }
    wanted = [str(name).removeprefix("book/").removesuffix(".md") for name in names] or list(found)
    for name in wanted:
        if name not in found:
            raise KeyError(f"chapter: expected one of {', '.join(found)}, got {name!r}")
    return [Chapter(name, found[name]) for name in wanted]


def key(chapter: Chapter, python: str = platform.python_version()) -> str:
    """Hash of all that decides the chapter's outputs."""
    notebook = chapter.read()
    digest = hashlib.sha256(code_key(notebook).encode())
    digest.update(python.encode())
    digest.update(LOCK.read_bytes())
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for path in dependencies(code):
        digest.update(str(path.relative_to(SOURCES)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def code_key(notebook: nbformat.NotebookNode) -> str:
    """The key under which jupyter-cache looks the notebook up: its code cells and kernel."""
    return get_cache(BUILD / "unused").create_hashed_notebook(notebook)[1]


def dependencies(code: Iterable[str]) -> list[Path]:
    """Files of the package the given source texts need, directly or through others, sorted."""
    waiting = [path for text in code for path in _imported(text, package="")]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
            waiting += _imported(text, package=_package_of(path))
            waiting += [data for data in _data_files() if data.name in text]
    return sorted(seen)


def _data_files() -> list[Path]:
    return [
        path
        for folder in ("_data", "_assets")
        for path in sorted((SOURCES / PACKAGE / folder).rglob("*"))
        if path.is_file()
    ]


def _package_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCES).parent.parts)


def _imported(text: str, package: str) -> Iterator[Path]:
    for module in imported_modules(_without_magics(text), package):
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            base = SOURCES.joinpath(*parts[:depth])
            yield from (p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file())


def _without_magics(text: str) -> str:
    lines = text.splitlines()
    return "\n".join("pass" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def imported_modules(text: str, package: str) -> set[str]:
    """Dotted names below the package that a source text imports (names of objects included)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                stem = package.split(".")
                above = ".".join(stem[: len(stem) - node.level + 1])
                base = f"{above}.{base}".rstrip(".")
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == PACKAGE}

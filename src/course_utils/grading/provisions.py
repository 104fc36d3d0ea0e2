"""What a submission finds inside the sandbox: a copy of a few files, none of which judges anything.

``from course_utils.grading import check, given`` works there and means the functions of ``child``.
A week may provide modules of the course as well, such as the worlds an assignment samples from;
they are copied together with all they import. What is not copied cannot be imported, so a
submission cannot hand in the reference implementation in place of its own.
"""

import ast
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from course_utils.grading.forkclient import ForkServer

ROOT = Path(__file__).resolve().parents[1]
"""The folder of ``course_utils``."""

PRELOADED = ("torch", "torch._dynamo", "safetensors.torch", "course_utils.grading.child")
"""What is imported once; the second of them is what an optimiser imports at its first step."""
_INSIDE = ("grading/wire.py", "grading/child.py")
_STUB = "from course_utils.grading.child import check, given, standing\n"


class Provisions:
    """A folder with the package as a submission sees it, and the fork server that has imported it.

    The server removes the folder when it ends.

    Args:
        modules: What a week provides, by dotted name; empty for nothing beyond ``grading``.

    Raises:
        ModuleNotFoundError: The package has no such module.
        ValueError: A module, or one that it needs, belongs to the grader.
    """

    def __init__(self, modules: Sequence[str] = ()):
        files = provided_files(modules)
        self.folder = Path(tempfile.mkdtemp(prefix="course-provisions-"))
        self.folder.chmod(0o755)
        for name in files:
            _copy(name, self.folder / ROOT.name / name)
        (self.folder / ROOT.name / "grading" / "__init__.py").write_text(_STUB, encoding="utf-8")
        (self.folder / ROOT.name / "__init__.py").write_text("", encoding="utf-8")
        self.server = ForkServer(
            [self.folder], [*PRELOADED, *modules], "course_utils.grading.child:main"
        )


@cache
def provisions(modules: tuple[str, ...]) -> Provisions:
    """The one folder and server of this process for these modules."""
    return Provisions(modules)


def provided_files(modules: Sequence[str]) -> list[str]:
    """The files that some modules need, directly or through others, below the package's folder.

    Args:
        modules: Dotted names, such as ``course_utils.worlds.sequences``.

    Raises:
        ModuleNotFoundError: The package has no such module.
        ValueError: One of them belongs to the grader.
    """
    found = set(_INSIDE)
    waiting = [file for module in modules for file in _files_of(module, required=True)]
    while waiting:
        file = waiting.pop()
        if file.startswith("grading/"):
            raise ValueError(f"modules: expected none that needs the grader, got one with {file}")
        if file not in found:
            found.add(file)
            text = (ROOT / file).read_text(encoding="utf-8")
            waiting += [f for module in _imported(text) for f in _files_of(module)]
    return sorted(found)


def _copy(name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((ROOT / name).read_bytes())


def _files_of(module: str, required: bool = False) -> list[str]:
    """A module's file and those of the packages above it; nothing if the name is no module."""
    parts = module.split(".")[1:]
    files = []
    for depth in range(1, len(parts) + 1):
        base = ROOT.joinpath(*parts[:depth])
        here = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
        if not here and required:
            raise ModuleNotFoundError(f"modules: expected one of {ROOT.name}, got {module!r}")
        files += [str(path.relative_to(ROOT)) for path in here]
    return files


def _imported(text: str) -> Iterator[str]:
    """Dotted names below the package that a source text imports, names of objects included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == ROOT.name)

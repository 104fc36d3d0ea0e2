"""English prose from the standard library's docstrings, cleaned and checked against a manifest.

A reader has this text without a network, and everybody gets the same one: the manifest lists each
document by file and qualified name with a hash of its cleaned text, and only documents whose hash
matches are used. The listed ones read the same in Python 3.9 to 3.13, so that they can be trusted
to stay. This file needs nothing but the standard library; run as a script under each of those
Pythons and then on their outputs, it makes the manifest:

    python3.11 docstrings.py collect 3.11.json
    python3.11 docstrings.py manifest 3.11.json 3.12.json 3.13.json > ../_data/docstrings.json
"""

import ast
import hashlib
import json
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

END = "\n"
"""The symbol that ends a document."""

ALPHABET = END + " abcdefghijklmnopqrstuvwxyz.,'-"
"""The 32 symbols of the text, ``END`` first."""

SHORTEST = 60
"""Characters a docstring must have to be a document."""

WINDOW = 40
"""Length in characters of the stretches by which two documents are compared."""

_PROSE = re.compile(r"[A-Za-z .,;:!?'\"`()\-]+")
_SKIPPED = {
    "_pydecimal.py",
    "_pyio.py",
    "__pycache__",
    "ctypes",
    "curses",
    "dbm",
    "distutils",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "msilib",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtle.py",
    "turtledemo",
}


def standard_library() -> Path:
    """Folder that holds the running Python's standard library as source files."""
    return Path(sysconfig.get_path("stdlib"))


def clean(docstring: str) -> str:
    """Reduce a docstring to its prose, in the symbols of ``ALPHABET`` without the end mark.

    Paragraphs with code, lists, digits or indentation are dropped whole; what remains loses its
    parentheses, quotation marks and capitals, and keeps its words and their order.
    """
    paragraphs = re.split(r"\n[ \t]*\n", docstring)
    return " ".join(filter(None, map(_clean_paragraph, paragraphs)))


def _clean_paragraph(paragraph: str) -> str:
    text = " ".join(paragraph.split())
    indented = re.search(r"^[ \t]", paragraph, re.MULTILINE)
    if indented or not _PROSE.fullmatch(text) or not text.endswith((".", ":", "!", "?")):
        return ""
    text = re.sub(r"\s*\([^()]*\)", "", text.lower())
    text = re.sub(r"[`\"()]|(?<![a-z])'|'(?![a-z])", "", text)
    text = text.translate(str.maketrans(":;!?", ",,..")).rstrip(" ,.") + "."
    text = re.sub(r"\s*-{2,}\s*", " - ", text)
    text = re.sub(r"\s+([,.])", r"\1", re.sub(r"([,.])[,.]+", r"\1", text))
    text = re.sub(r",(?=[a-z])", ", ", text)
    return re.sub(r"\s+", " ", text).lstrip(" ,.-'")


def fingerprint(text: str) -> str:
    """First 12 hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def documents(path: Path) -> Iterator[tuple[str, str]]:
    """Qualified name and cleaned text of every docstring in one source file.

    The module's own docstring has the empty name.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _documents_below(tree, "")


def _documents_below(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    text = clean(ast.get_docstring(node) or "")
    if text:
        yield name, text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _documents_below(child, f"{name}.{child.name}".lstrip("."))


def collect(root: Path) -> dict[str, dict[str, str]]:
    """Cleaned text of all docstrings below ``root``: file, then qualified name, then text."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        generated = relative.parts[0].startswith(("_sysconfig", "config-"))
        if not generated and _SKIPPED.isdisjoint(relative.parts):
            found[relative.as_posix()] = dict(documents(path))
    return found


def _windows(text: str) -> set[str]:
    return {text[i : i + WINDOW] for i in range(len(text) - WINDOW + 1)}


def make_manifest(collections: list[dict[str, dict[str, str]]]) -> dict:
    """Manifest of the documents that are long enough, the same in all collections, and new.

    A document is new when less than a tenth of its stretches of ``WINDOW`` characters stand in
    an earlier one, so that the held-out documents are not copies of training documents.
    """
    first, *others = collections
    files: dict[str, dict[str, str]] = {}
    seen: set[str] = set()
    texts = []
    for file, named in sorted(first.items()):
        for name, text in named.items():
            same = all(other.get(file, {}).get(name) == text for other in others)
            windows = _windows(text)
            if same and len(text) >= SHORTEST and len(windows & seen) < len(windows) / 10:
                seen |= windows
                texts.append(text)
                files.setdefault(file, {})[name] = fingerprint(text)
    whole = hashlib.sha256("".join(text + END for text in texts).encode()).hexdigest()
    return {"sha256": whole, "num_characters": sum(len(t) + 1 for t in texts), "files": files}


if __name__ == "__main__":
    command, *names = sys.argv[1:]
    if command == "collect":
        Path(names[0]).write_text(json.dumps(collect(standard_library())))
    else:
        made = make_manifest([json.loads(Path(name).read_text()) for name in names])
        print(json.dumps(made, indent=0))

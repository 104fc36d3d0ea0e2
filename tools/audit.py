"""What an executed chapter must not contain: errors, stderr, wordless pictures, live controls."""

import re
from collections.abc import Iterator

from nbformat import NotebookNode

FEWEST_WORDS = 8
_FILE_NAME = re.compile(r"\.(png|svg|webp|jpe?g|gif)\s*$", re.IGNORECASE)
_LIVE = "application/vnd.jupyter.widget-view+json"
_EMPTY_PHRASE = re.compile(
    r"^\W*(?:an?\s+|the\s+|this\s+)?"
    r"(?:figure|image|picture|plot|graph|chart|diagram|illustration|screenshot|photo(?:graph)?)\s+"
    r"(?:of|with|for|about|from|that|which|shows?|showing|showed|depict\w*|illustrat\w*|display\w*)\b",
    re.IGNORECASE,
)


def good_alt(text: str | None) -> bool:
    """Whether an alternative text says what to see.

    It does not with fewer than eight words, with a file's name at its end, or when it begins by
    saying that it is a picture ("a figure showing ..."), which a screen reader has just said.
    """
    words = (text or "").strip()
    enough = len(words.split()) >= FEWEST_WORDS
    return enough and not _FILE_NAME.search(words) and not _EMPTY_PHRASE.match(words)


def faults(notebook: NotebookNode) -> Iterator[str]:
    """One line for each thing that must not be in an executed chapter."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        where = f"cell {index} ({cell.source.strip().splitlines()[0] if cell.source else 'empty'})"
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                yield f"{where}: wrote to stderr: {output.text.strip()}"
            if output.output_type == "error":
                yield f"{where}: raised {output.ename}: {output.evalue}"
            if _LIVE in output.get("data", {}):
                yield f"{where}: stored a live control, which does nothing without a kernel"
            if any(mime.startswith("image/") for mime in output.get("data", {})):
                alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
                if not good_alt(alt):
                    yield f"{where}: a picture whose alternative text does not say what to see"

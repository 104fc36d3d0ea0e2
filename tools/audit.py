"""What an executed chapter must not contain: errors, stderr, wordless pictures, live controls."""

import re
from collections.abc import Iterator

from nbformat import NotebookNode

_FILE_NAME = re.compile(r"\.(png|svg|webp|jpe?g|gif)\s*$", re.IGNORECASE)
_LIVE = "application/vnd.jupyter.widget-view+json"


def good_alt(text: str | None) -> bool:
    """Whether an alternative text says what to see: at least five words, no file name."""
    words = (text or "").strip()
    return len(words.split()) >= 5 and not _FILE_NAME.search(words)


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

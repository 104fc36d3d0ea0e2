"""The notebook a reader downloads: executed cells, and text that any Jupyter program shows.

The code cells and their outputs are those of ``_build/executed``; the text between them is the
resolved page as plain Markdown. A first code cell installs the package, in Colab only.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import nbformat
from course_colab import install_cell, needed_beside
from course_markdown import Writer, fold, item, pages
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

Link = Callable[[nodes.Element], str | None]
_GLUE = "application/papermill.record/"
_HIDDEN = {"hide-input": "source_hidden", "hide-output": "outputs_hidden"}


def quiz_blocks(writer: Writer, node: nodes.Element) -> list[str]:
    """A knowledge check as text: the question, what there is to choose from, the answers folded.

    Of a form that is not known the first block is shown and everything else folded.
    """
    parts = {type(child).__name__: child for child in node.children}
    if not {"quiz_question", "quiz_answers", "quiz_solution"} <= set(parts):
        first, *rest = writer.inside(node)
        return [f"**Question.** {first}", fold("Answers", rest)]
    ordered = node["kind"] == "order"
    first, *rest = writer.inside(parts["quiz_question"])
    answers = parts["quiz_answers"]
    choice = ["\n".join(item("-", [writer.text(answer)]) for answer in answers.children)]
    if ordered:
        choice.insert(0, "Put these in the right order:")
    elif not answers.children:
        units = " or ".join(name for name, _ in answers.get("units", []))
        choice = [f"Answer with a number{f' in {units}' if units else ''}."]
    solution = []
    for place, (label, why) in enumerate(parts["quiz_solution"].children, start=1):
        marker = f"{place}." if ordered else "-"
        solution.append(item(marker, [f"**{writer.text(label)}**", *writer.inside(why)]))
    number = f" {node['number']}" if node.get("number") else ""
    folded = fold("Answers", ["\n".join(solution)])
    return [f"**Question{number}.** {first}", *rest, *choice, folded]


def assemble(
    executed: nbformat.NotebookNode, parts: Iterable[str | int], install: str
) -> nbformat.NotebookNode:
    """Put text and executed cells together.

    Args:
        executed: The executed notebook; its text cells are left out.
        parts: Runs of Markdown and indices of code cells, in reading order.
        install: The source of the cell that installs the package.
    """
    code = {i: cell for i, cell in enumerate(executed.cells) if cell.cell_type == "code"}
    cells: list[nbformat.NotebookNode] = []
    waiting = list(code)
    for part in parts:
        if isinstance(part, str):
            cells.append(new_markdown_cell(part))
            continue
        # Cells that the page does not show belong to the program all the same.
        while waiting and waiting[0] <= part:
            cells.append(_code_cell(code[waiting.pop(0)]))
    cells += [_code_cell(code[index]) for index in waiting]
    first = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    hidden = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}, "cellView": "form"}
    cells.insert(first, new_code_cell(install, metadata=hidden))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number:03d}"
    kept = ("kernelspec", "language_info")
    metadata = {name: executed.metadata[name] for name in kept if name in executed.metadata}
    return nbformat.from_dict(
        {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )


def _code_cell(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The cell with the folding that JupyterLab understands, without outputs nobody shows."""
    tags = cell.metadata.get("tags", [])
    wanted = list(_HIDDEN) if "hide-cell" in tags else tags
    folding = {_HIDDEN[tag]: True for tag in wanted if tag in _HIDDEN}
    metadata = {**cell.metadata, **({"jupyter": folding} if folding else {})}
    shown = [output for output in cell.outputs if not _is_glue(output)]
    return new_code_cell(
        cell.source, metadata=metadata, outputs=shown, execution_count=cell.execution_count
    )


def _is_glue(output: nbformat.NotebookNode) -> bool:
    data = output.get("data", {})
    return bool(data) and all(mime.startswith(_GLUE) for mime in data)


def numbering(app: Sphinx, page: str) -> Callable[[nodes.Element], str]:
    """How the site numbers what it numbers on a page, as a function of the node."""
    numbers = app.env.toc_fignumbers.get(page, {})

    def number(node: nodes.Element) -> str:
        if isinstance(node, nodes.math_block):
            if not node.get("number") or not node["ids"]:
                return ""
            return str(get_node_equation_number(SimpleNamespace(builder=app.builder), node))
        word = node.get("realtype", "").capitalize()
        kind = node.get("countertype") or node.tagname
        ids = [name for name in node.get("ids", []) if name in numbers.get(kind, {})]
        if not ids:
            return word
        shown = ".".join(map(str, numbers[kind][ids[0]]))
        return f"{word} {shown}" if word else app.config.numfig_format.get(kind, "%s") % shown

    return number


def write_notebook(
    app: Sphinx, page: str, doctree: nodes.document, link: Link, about: str, target: Path
) -> None:
    """Convert one executed page; ``about`` is the line below its title."""
    name = f"{page.removeprefix('book/')}.ipynb"
    executed = nbformat.read(Path(app.srcdir, app.config.course_executed, name), as_version=4)
    macros = (app.config.mathjax3_config or {}).get("tex", {}).get("macros", {})
    folder = app.builder.imgpath
    files = {f"{folder}/{new}": Path(app.srcdir, old) for old, new in app.builder.images.items()}
    writer = Writer(
        link=link,
        picture=files.get,
        macros={name: tex for name, tex in macros.items() if isinstance(tex, str)},
        number=numbering(app, page),
    )
    writer.special["quiz"] = partial(quiz_blocks, writer)
    title, *rest = pages(doctree, writer)
    heading, _, text = str(title).partition("\n\n")
    pins = Path(app.srcdir, "requirements.txt")
    beside = needed_beside(
        (cell.source for cell in executed.cells if cell.cell_type == "code"),
        pins.read_text("utf-8") if pins.is_file() else "",
    )
    install = install_cell(
        app.config.course_repository_url, app.config.course_repository_branch, beside
    )
    notebook = assemble(executed, [f"{heading}\n\n{about}\n\n{text}".strip(), *rest], install)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")

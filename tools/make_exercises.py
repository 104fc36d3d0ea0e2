"""Generate the student files from the masters in ``solutions/``.

    python tools/make_exercises.py            write exercises/weekNN.py and .ipynb
    python tools/make_exercises.py --check    write nothing, fail if a file differs

The notebook's first cell also says how to run it in Colab; the second installs what that needs.

A master marks each answer:

    # begin answer w01-log-prob: one line that says what to do
    ...
    # end answer w01-log-prob

The lines between the marks are replaced. Inside a function the stub raises NotImplementedError;
at the top level the last name assigned becomes ``None``, or an empty text if it was a text. The
same master always gives the same bytes.
"""

import argparse
import ast
import re
import sys
import textwrap
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course_colab import colab_address, install_cell  # noqa: E402

BEGIN = re.compile(r"^(?P<indent> *)# begin answer (?P<id>[\w-]+): (?P<task>.+)$")
END = re.compile(r"^ *# end answer (?P<id>[\w-]+)$")


COLAB = "https://colab.research.google.com"


class MarkError(Exception):
    """The marks of a master do not pair up."""


def cut_answers(text: str) -> str:
    """Return a master's text with every answer replaced by its stub.

    Args:
        text: The master, in py:percent.

    Raises:
        MarkError: A mark is malformed or has no partner; the line names it.
    """
    out: list[str] = []
    answer: list[str] = []
    begun: re.Match[str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        begin, end = BEGIN.match(line), END.match(line)
        if re.search(r"# *(begin|end) +answer", line, re.I) and not (begin or end):
            raise MarkError(f"line {number}: expected a mark as the docstring shows, got {line!r}")
        if begin:
            if begun:
                raise MarkError(f"line {number}: answer {begun['id']} has no end mark")
            begun, answer = begin, []
        elif end:
            if not begun or begun["id"] != end["id"]:
                raise MarkError(f"line {number}: answer {end['id']} has no begin mark")
            out += _stub(begun, answer)
            begun = None
        elif begun:
            answer.append(line)
        else:
            out.append(line)
    if begun:
        raise MarkError(f"end of file: answer {begun['id']} has no end mark")
    return "\n".join(out) + "\n"


def _stub(begin: re.Match[str], answer: list[str]) -> list[str]:
    indent, task = begin["indent"], f"{begin['indent']}# To do: {begin['task']}."
    if indent:
        return [task, f'{indent}raise NotImplementedError("{begin["id"]} is not written yet")']
    last = ast.parse(textwrap.dedent("\n".join(answer))).body[-1]
    if not isinstance(last, ast.Assign) or not isinstance(last.targets[0], ast.Name):
        raise MarkError(f"answer {begin['id']}: expected its last statement to assign a name")
    is_text = isinstance(last.value, ast.Constant) and isinstance(last.value.value, str)
    long = is_text and "\n" in last.value.value
    return [task, f"{last.targets[0].id} = " + ('"""\n\n"""' if long else "None")]


_COLAB = """

To work without installing anything, [open this notebook in Colab]({address}), run the next cell \
first, and save a copy of your own. Elsewhere the next cell does nothing."""


def to_notebook(text: str, note: str = "", install: str = "") -> str:
    """Return a student file as a notebook without outputs, with cells numbered in order.

    Args:
        text: The student file, in py:percent.
        note: What the first cell says beside the file's own text.
        install: The source of a code cell to put second, or nothing.
    """
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.cells[0].source += note
    if install:
        notebook.cells.insert(1, new_code_cell(install))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {}
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return nbformat.writes(notebook) + "\n"


def generate(root: Path = ROOT) -> dict[Path, bytes]:
    """Return the content of every student file by path.

    Args:
        root: The folder that holds ``solutions/``.
    """
    files: dict[Path, bytes] = {}
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    url, branch = config["repository"]["url"], config["repository"]["branch"]
    for master in sorted((root / "solutions").glob("week*.py")):
        try:
            student = cut_answers(master.read_text(encoding="utf-8"))
        except MarkError as error:
            raise MarkError(f"{master.name}: {error}") from None
        target = root / "exercises" / master.name
        files[target] = student.encode()
        notebook = target.with_suffix(".ipynb")
        address = colab_address(COLAB, url, branch, f"exercises/{notebook.name}")
        note, install = _COLAB.format(address=address), install_cell(url, branch)
        files[notebook] = to_notebook(student, note, install).encode()
    return files


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check the student files and return the exit status."""
    parser = argparse.ArgumentParser(description="Generate exercises/ from solutions/.")
    parser.add_argument("--check", action="store_true", help="fail if a file differs")
    check = parser.parse_args(arguments).check
    try:
        files = generate(root)
    except MarkError as error:
        print(error, file=sys.stderr)
        return 1
    stale = {p: c for p, c in files.items() if not p.is_file() or p.read_bytes() != c}
    for path, content in stale.items():
        if check:
            print(f"{path.relative_to(root)}: not what solutions/ gives; run make exercises")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            print(f"wrote {path.relative_to(root)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

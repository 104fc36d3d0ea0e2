"""The public checks of a file, as its notebook would show them, in a process of its own.

The cells run one after the other in one namespace with the real ``check``, which prints what it
thinks of each answer. A cell that fails is named and the next one runs. This is what a student
runs on their own work on their own machine: nothing is isolated and nothing is hidden.
"""

import json
import linecache
import os
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_utils.arguments import ArgumentError
from course_utils.grading.submissions import SUFFIXES, read_submission
from course_utils.grading.weeks import questions_of


def check_file(path: Path, week: str) -> int:
    """Run the public checks of a file and print what they say.

    Args:
        path: A ``.py`` or ``.ipynb`` file; its folder is where its cells run.
        week: The assignment, such as ``"w01"``.

    Returns:
        0 if every cell ran, 1 if one failed.

    Raises:
        ArgumentError: There is no such file or assignment, or the file cannot be read.
    """
    questions_of(week)
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"file: expected an .ipynb or .py file, got {str(path)!r}")
    submission = read_submission(path)
    if not any(cell.strip() for cell in submission.cells):
        raise ArgumentError(f"{path.name}: {' '.join(submission.notes)}")
    for note in submission.notes:
        print(note, flush=True)
    done = subprocess.run(
        [sys.executable, "-c", "from course_utils.grading import selfcheck; selfcheck.main()"],
        input=json.dumps(submission.cells),
        text=True,
        cwd=path.absolute().parent,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"},
    )
    if done.returncode not in (0, 1):
        print(f"the checks ended early, with exit code {done.returncode}")
    return 0 if done.returncode == 0 else 1


def main() -> None:
    """Read cells from standard input, run them, and end the process with their status."""
    sys.exit(run_cells(json.loads(sys.stdin.read())))


def run_cells(cells: Sequence[str]) -> int:
    """Run cells in one namespace; return 0 if all ran, 1 if one failed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    failures = 0
    for number, cell in enumerate(cells, start=1):
        file = f"<cell {number}>"
        linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
        try:
            exec(compile(cell, file, "exec"), names)
        except (Exception, SystemExit) as error:
            failures += 1
            print(f"code cell {number} failed: {_described(error, file)}")
    print(f"{len(cells) - failures} of {len(cells)} code cells ran to their end")
    return 1 if failures else 0


def _described(error: BaseException, file: str) -> str:
    what = traceback.format_exception_only(error)[-1].strip()
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    lines += [error.lineno] if isinstance(error, SyntaxError) and error.filename == file else []
    return f"{what} (line {lines[-1]})" if lines else what

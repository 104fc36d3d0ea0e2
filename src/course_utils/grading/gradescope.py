"""The grader inside Gradescope: one zip file to upload, and results in the form it reads.

    python -m course_utils.grading.gradescope bundle week01 --out week01.zip [--seed S]

The zip holds this package, the pinned versions of what it needs, the seed, and two scripts that
Gradescope calls: ``setup.sh`` when it builds its image, ``run_autograder`` for each submission.
The latter calls ``autograde``, which grades the one file that was handed in and writes
``results/results.json`` [gradescope-autograders.readthedocs.io, "Autograder specifications"].

If the *grader* cannot work, no result is written and Gradescope shows the failure to the
instructor. Only what a student did leads to points, or to none. The seed is in a file that only
the grader's user can read, never on a command line, which every process of a machine can see.
"""

import argparse
import json
import secrets
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

import course_utils
from course_utils.arguments import ArgumentError, check_int
from course_utils.grading.cards import WORDS, Card, Line, read_card, sentence
from course_utils.grading.pages import DATA
from course_utils.grading.sandbox import SandboxError, choose
from course_utils.grading.submissions import find_submissions
from course_utils.grading.weeks import questions_of, week_key

_COMMAND = "python -m course_utils.grading.gradescope"
_SCRIPTS = {"setup.sh": "gradescope_setup.sh", "run_autograder": "gradescope_run_autograder"}
_GRADERS_OWN = ("jinja2", "packaging", "psutil")
_MOST_SEED = 2**32 - 1

Grade = Callable[..., dict[str, Any]]
"""Called as ``grade(path, week, seed=..., isolation=...)``; returns a result."""


def gradescope_results(card: Card) -> dict[str, Any]:
    """The result of a submission as Gradescope reads it.

    Every text is declared to be plain, so that nothing of a student's is taken for HTML. A
    question that a person marks is listed without points: give those in Gradescope itself.

    Args:
        card: The result, made ready to be shown.
    """
    return {
        "score": card.score,
        "execution_time": round(card.seconds),
        "output": "\n".join(sentence(note) for note in card.notes),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(line) for line in card.lines],
        "extra_data": {"sha256": card.sha256, "isolation": card.isolation},
    }


def _test(line: Line) -> dict[str, Any]:
    test = {
        "number": str(line.number),
        "name": f"{line.question.title} ({line.question.id})",
        "output": _said(line),
        "tags": [line.question.kind],
        "visibility": "visible",
    }
    if line.question.kind == "explain":
        return test
    status = "passed" if line.status == "right" else "failed"
    return {**test, "score": line.score, "max_score": line.question.points, "status": status}


def _said(line: Line) -> str:
    opening = "" if line.status == "right" and line.message else f"{WORDS[line.status]}. "
    return (opening + sentence(line.message)).strip()


def bundle(week: str, out: Path, *, seed: int, isolation: str = "auto") -> Path:
    """Write the zip file that makes Gradescope grade an assignment.

    The same package, versions and seed give the same bytes.

    Args:
        week: Such as ``"week01"``.
        out: Where to write it.
        seed: Of the hidden instances; 1 or more, since 0 draws the public ones.
        isolation: What the grader shall run submissions in; ``"plain"`` has to be asked for.

    Raises:
        ArgumentError: There is no such assignment, the seed is public, the package is not
            installed, or ``out`` cannot be written.
    """
    key = week_key(week)
    questions_of(key)
    check_int("seed", seed, low=1, high=_MOST_SEED)
    files = {name: (DATA / source).read_bytes() for name, source in _SCRIPTS.items()}
    told = {"assignment": key, "seed": seed, "isolation": isolation}
    files["assignment.json"] = (json.dumps(told, indent=1) + "\n").encode()
    files["requirements.txt"] = "".join(f"{pin}\n" for pin in _pins()).encode()
    root = Path(course_utils.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            files[f"src/course_utils/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    try:
        _write_zip(out, files)
    except OSError as error:
        raise ArgumentError(
            f"--out: cannot write to {str(out)!r}: {error.strerror or error}"
        ) from None
    return out


def _write_zip(out: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if name in _SCRIPTS else 0o600 if name == "assignment.json" else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, data)


def _pins() -> Iterator[str]:
    """What the package needs, in the versions that are installed here."""
    try:
        needed = [Requirement(text) for text in metadata.requires("course-utils") or ()]
    except metadata.PackageNotFoundError:
        raise ArgumentError(
            "bundle: expected an installed course-utils, found none: pip install -e ."
        ) from None
    wanted = {
        one.name.lower()
        for one in needed
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in ("", "grading"))
    }
    for name in sorted(wanted.union(_GRADERS_OWN)):
        try:
            yield f"{name}=={metadata.version(name).split('+')[0]}"
        except metadata.PackageNotFoundError:
            raise ArgumentError(
                f"bundle: expected {name} to be installed: pip install -e .[grading]"
            ) from None


def autograde(root: Path, grade: Grade) -> Path:
    """Grade the submission in Gradescope's folders.

    Args:
        root: The folder with ``source``, ``submission`` and ``results``.
        grade: What grades one file.

    Returns:
        The path of ``results.json``.

    Raises:
        ArgumentError: The folders are not as ``bundle`` and Gradescope make them.
        SandboxError: The isolation is not to be had.
    """
    told = _read_assignment(root / "source" / "assignment.json")
    level = choose(told["isolation"])
    if level == "plain" and told["isolation"] != "plain":
        raise SandboxError(
            "this machine offers no isolation, so a submission could read the seed and change its "
            "points; to accept that, build the bundle with --isolation plain"
        )
    try:
        path = _only_submission(root / "submission")
    except ArgumentError as error:
        results = {"score": 0.0, "output": str(error), "output_format": "text"}
    else:
        result = grade(path, told["assignment"], seed=told["seed"], isolation=level)
        results = gradescope_results(read_card(result))
    out = root / "results" / "results.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return out


def _read_assignment(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {name: told[name] for name in ("assignment", "seed", "isolation")}
    except (OSError, ValueError, KeyError, TypeError):
        raise ArgumentError(
            f"root: expected what `{_COMMAND} bundle` wrote, got {str(path)!r}"
        ) from None


def _only_submission(folder: Path) -> Path:
    try:
        paths = list(find_submissions([folder]).paths.values())
    except ArgumentError:
        paths = []
    if len(paths) != 1:
        raise ArgumentError(
            f"Hand in exactly one file that ends in .ipynb or .py; {len(paths)} were found."
        )
    return paths[0]


def main(arguments: list[str] | None = None) -> int:
    """Build a bundle, or grade inside one.

    Returns:
        0 if all went well, 2 if the command line cannot be used or the grader cannot work.
    """
    asked = _parser().parse_args(arguments)
    try:
        if asked.command == "run":
            from course_utils.grading.engine import grade_submission

            autograde(asked.root, grade_submission)
            return 0
        seed = 1 + secrets.randbelow(_MOST_SEED) if asked.seed is None else asked.seed
        bundle(asked.week, asked.out, seed=seed, isolation=asked.isolation)
    except (ArgumentError, SandboxError) as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return 2
    print(f"{asked.out}: {asked.out.stat().st_size / 2**20:.1f} MiB, seed {seed}; keep it secret")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Grade inside Gradescope.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="bundle | run")
    build = commands.add_parser(
        "bundle",
        help="write the zip file to upload",
        description="Write the zip file that an instructor uploads under Configure Autograder.",
    )
    build.add_argument("week", help="the assignment, such as week01")
    build.add_argument("--out", type=Path, required=True, help="the zip file to write")
    build.add_argument("--seed", type=int, help="of the hidden inputs; drawn if not given")
    build.add_argument(
        "--isolation",
        default="auto",
        choices=("auto", "bubblewrap", "landlock", "uid", "plain"),
        help="auto takes the best there is, and refuses plain",
    )
    run = commands.add_parser("run", help="grade one submission; called by run_autograder")
    run.add_argument("root", type=Path, help="the folder with source, submission and results")
    return parser


if __name__ == "__main__":
    sys.exit(main())

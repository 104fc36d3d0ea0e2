"""Check one file, or grade many: ``python -m course_utils.grading -h``."""

import argparse
import os
import re
import signal
import sys
from pathlib import Path

from course_utils.arguments import ArgumentError
from course_utils.grading.batch import Plan, Report, grade_batch
from course_utils.grading.questions import PUBLIC_SEED
from course_utils.grading.selfcheck import check_file
from course_utils.grading.weeks import week_key

_COMMAND = "python -m course_utils.grading"
_SEED = "COURSE_GRADING_SEED"
_RESUME = "the same command goes on where it stopped"
_EXAMPLES = f"""examples:
  {_COMMAND} check week01 my_week01.ipynb
      the checks of the notebook, for a student: nothing hidden, nothing isolated
  {_COMMAND} grade week01 submissions/ --out grades/ --seed 20261
      the grades of a class, for an instructor: hidden instances, every file in a sandbox
"""
_GRADE = """Grade notebooks and scripts into a folder: one JSON per submission in OUT/results,
written the moment it is known, and at the end OUT/grades.csv, a page for each student in
OUT/feedback, OUT/summary.html, and OUT/gradescope. If it is interrupted, give the same command
again: what is known is kept, and only new or changed submissions are graded."""
_SHARD = """grade the i-th of n parts only, 1 <= i <= n; give all parts the same OUT, which ends
complete, as in a job array: --shard $SLURM_ARRAY_TASK_ID/8"""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for and return the exit status.

    Returns:
        0 if all went well; 1 if a cell failed its check run or a submission could not be graded;
        2 if the command line cannot be used or the disk fails; 130 if it was interrupted.
    """
    asked = _parser().parse_args(arguments)
    try:
        week = week_key(asked.week)
        return check_file(asked.file, week) if asked.command == "check" else _grade(asked, week)
    except ArgumentError as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{_COMMAND}: stopped: {error}; {_RESUME}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; {_RESUME}", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description="Check one file, or grade the files of a class.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="check | grade")
    check = commands.add_parser(
        "check",
        help="run the public checks of one file",
        description="Run a file's cells and its public checks, as the notebook does.",
    )
    check.add_argument("week", help="the assignment, such as week01")
    check.add_argument("file", type=Path, help="an .ipynb or .py file")
    _add_grade(commands.add_parser("grade", help="grade many files", description=_GRADE))
    return parser


def _add_grade(grade: argparse.ArgumentParser) -> None:
    grade.add_argument("week", help="the assignment, such as week01")
    grade.add_argument(
        "places", type=Path, nargs="+", metavar="submissions", help="files, or folders of them"
    )
    grade.add_argument("--out", type=Path, required=True, help="the folder of results")
    grade.add_argument(
        "--seed",
        type=_whole(0, 2**32 - 1),
        default=os.environ.get(_SEED, str(PUBLIC_SEED)),
        help=f"of the hidden instances; without it {_SEED} is read from the environment, where no "
        f"other user sees it; {PUBLIC_SEED}, the default, gives the public ones",
    )
    grade.add_argument(
        "--jobs",
        type=_whole(1, 1024),
        default=_cores(),
        help="submissions at once; default: the %(default)s cores of this machine",
    )
    grade.add_argument(
        "--isolation",
        default="auto",
        help="bubblewrap, landlock, uid or plain; auto, the default, takes the best there is",
    )
    grade.add_argument("--shard", type=_shard, default=(1, 1), metavar="i/n", help=_SHARD)
    grade.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="grade on the workers of this Dask scheduler, which must see the same files",
    )


def _whole(low: int, high: int):
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {low} to {high}, got {text!r}"
            )
        return int(text)

    return parse


def _shard(text: str) -> tuple[int, int]:
    parts = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not parts or not 1 <= int(parts[1]) <= int(parts[2]):
        raise argparse.ArgumentTypeError(f"expected i/n with 1 <= i <= n, got {text!r}")
    return int(parts[1]), int(parts[2])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _grade(asked: argparse.Namespace, week: str) -> int:
    plan = Plan(
        week,
        seed=asked.seed,
        isolation=_isolation(asked.isolation),
        num_workers=asked.jobs,
        shard=asked.shard,
        dask=asked.dask,
    )
    if asked.seed == PUBLIC_SEED:
        print(f"seed {PUBLIC_SEED} gives the public instances; --seed gives hidden ones")
    report = grade_batch(asked.places, asked.out, plan)
    if report.results:
        from course_utils.grading.reports import write_reports

        write_reports(asked.out, report.results.values(), report.paths)
    _print(report)
    return 1 if report.ungraded else 0


def _isolation(wanted: str) -> str:
    """The isolation there will be, with a warning if it is a weak one."""
    from course_utils.grading import isolation

    try:
        chosen = isolation.choose(wanted)
    except isolation.SandboxError as error:
        raise ArgumentError(f"--isolation: {error}") from None
    print(f"isolation: {chosen}")
    if chosen in isolation.WARNINGS:
        print(f"warning: {isolation.WARNINGS[chosen]}", file=sys.stderr)
    return chosen


def _print(report: Report) -> None:
    for remark in report.remarks:
        print(remark)
    results = report.results.values()
    line = f"{len(results)} graded, {report.fresh} of them now"
    if results:
        mean = sum(result["score"] for result in results) / len(results)
        highest = max(result["max_score"] for result in results)
        line += f"; on average {mean:.1f} of {highest:g} points"
    print(line)
    if report.missing:
        print(f"{len(report.missing)} left to other shards")
    if report.ungraded:
        print(f"for a person to look at: {', '.join(report.ungraded)}", file=sys.stderr)
    print(report.table)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())

"""The two pages on grading say what the programs do: their commands, limits and words."""

import re
import shlex
from pathlib import Path

import pytest

from course_utils.grading import __main__ as command
from course_utils.grading import engine, gradescope
from course_utils.grading.cards import WORDS
from course_utils.grading.isolation import LEVELS
from course_utils.grading.limits import MIB, Limits

BOOK = Path(__file__).resolve().parents[3] / "book"
STUDENTS, INSTRUCTORS = (
    (BOOK / f"grading_{name}.md").read_text(encoding="utf-8")
    for name in ("students", "instructors")
)
COMMANDS = re.findall(r"^ *python -m (course_utils\.\S+) (.+)$", STUDENTS + INSTRUCTORS, re.M)


def rows(page: str, heading: str) -> list[list[str]]:
    """The body of the table whose first cell reads as told."""
    body = page.split(f"| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in body]


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_every_command_shown_is_understood(module, arguments):
    parsers = {"course_utils.grading": command, "course_utils.grading.gradescope": gradescope}
    asked = parsers[module]._parser().parse_args(shlex.split(arguments))
    assert asked.week == "week01"


def test_commands_are_shown_on_both_pages():
    assert len(COMMANDS) >= 5
    assert {arguments.split()[0] for _, arguments in COMMANDS} == {"check", "grade", "bundle"}


def test_the_limits_on_the_page_are_those_of_the_grader():
    limits = Limits()
    cpu, wall = limits.cpu_seconds / engine.SHARE, limits.wall_seconds / engine.SHARE
    assert rows(STUDENTS, "what") == [
        ["processor time of one cell, or of all calls of one question", f"{cpu:g} seconds"],
        ["time on the clock, the same", f"{wall:g} seconds"],
        ["time on the clock, everything", f"{engine.PATIENCE * limits.wall_seconds:g} seconds"],
        ["memory", f"{limits.memory_bytes // MIB} MiB"],
        ["processes at once", str(limits.processes)],
        ["files written", f"{limits.file_bytes // MIB} MiB"],
        ["printed text", f"{limits.output_bytes // MIB} MiB"],
    ]


def test_the_words_and_kinds_on_the_pages_are_those_of_the_programs():
    assert [row[0] for row in rows(STUDENTS, "word")] == list(WORDS.values())
    assert [row[0] for row in rows(INSTRUCTORS, "isolation")] == [f"`{name}`" for name in LEVELS]

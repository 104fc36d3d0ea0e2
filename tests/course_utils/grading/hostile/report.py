"""Print, as Markdown, what each hostile submission achieves at each kind of isolation.

    python tests/course_utils/grading/hostile/report.py [ISOLATION ...] > table.md

Without names every kind that this machine can try; the last lines name the others.
"""

import sys

import guard
from files import CASES as FOLDER
from files import SHAPES
from runs import levels, outcomes
from table import CASES, what_happened

HELD = "held"


def title_of(case: str) -> str:
    """What a case does, in its own words."""
    if case in SHAPES:
        return f"A {case.replace('-', ' ').removeprefix('notebook ')} notebook."
    return (FOLDER / f"{case}.txt").read_text().splitlines()[0].removeprefix("# ")


def table_of(found: dict[str, dict[str, dict]]) -> list[str]:
    """The lines of the table: one row for each case, one column for each kind of isolation."""
    lines = [
        f"| case | what it does | {' | '.join(found)} |",
        "| --- " * (2 + len(found)) + "|",
    ]
    for case in CASES:
        words = [_word(outcomes_of[case]) for outcomes_of in found.values()]
        lines.append(f"| `{case}` | {title_of(case)} | {' | '.join(words)} |")
    held = [sum(not what_happened(o[case]) for case in CASES) for o in found.values()]
    counts = " | ".join(f"{count} of {len(CASES)}" for count in held)
    return [*lines, f"| | **held** | {counts} |"]


def _word(outcome: dict) -> str:
    through = sorted(what_happened(outcome))
    return f"**{', '.join(through)}**" if through else HELD


def main() -> None:
    """Grade all cases at the kinds of isolation that are named, and print the table."""
    if why := guard.missing():
        raise SystemExit(why)
    known = levels()
    tried = sys.argv[1:] or [level for level, reason in known.items() if not reason]
    found = {level: outcomes(level, CASES) for level in tried}
    print("\n".join(table_of(found)))
    print()
    for level, reason in known.items():
        if reason:
            print(f"Not tried: {level} ({reason}).")


if __name__ == "__main__":
    main()

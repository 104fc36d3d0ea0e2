"""What must happen to each hostile submission.

Behind walls (bubblewrap, Landlock) the same holds for all: the points of an honest answer in the
same file are kept, no other point is given, no file, process, limit or socket outside
is touched, and the run goes on. Without walls most of it holds too. ``PLAIN`` names what gets
through, so that nobody believes more: the difference is the reason for the walls.

The submissions lie in ``cases`` as text, so that no tool takes them for programs to run.
"""

from pathlib import Path

CASES = tuple(sorted(path.stem for path in Path(__file__).with_name("cases").glob("*.txt")))
HONEST_POINTS = 10.0
PLAIN = {
    "delete-files": {"touched"},
    "forge-results": {"touched"},
    "kill-all": {"lost"},
    "limit-parent": {"points lost"},
    "read-neighbour": {"read"},
    "read-solutions": {"forged"},
    "shared-memory": {"left"},
    "site-packages": {"touched"},
    "socket": {"connected"},
}


def what_happened(outcome: dict) -> set[str]:
    """In a word each, what a submission achieved that it should not have."""
    if "forged" not in outcome:
        return {"lost"}
    through = {word for word in ("touched", "changed", "connected", "left") if outcome[word]}
    if outcome["forged"] > 0:
        through.add("forged")
    if outcome["kept"] != HONEST_POINTS:
        through.add("points lost")
    if outcome["case"] == "read-neighbour" and any("time" in note for note in outcome["notes"]):
        through.add("read")  # it goes into its loop only if it could read
    return through


def allowed(case: str, isolation: str) -> set[str]:
    """What a case is known to achieve."""
    return PLAIN.get(case, set()) if isolation == "plain" else set()

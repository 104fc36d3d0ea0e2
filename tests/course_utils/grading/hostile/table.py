"""What must happen to each hostile submission.

Behind walls (bubblewrap, Landlock) the same holds for all: the points of an honest answer in the
same file are kept, no other point is given, no file, process, limit or socket outside
is touched, nothing is learned, and the run goes on. Without walls most of it holds too.
``THROUGH`` names what gets through, so that nobody believes more: the difference is the reason
for the walls.

A case that looks for something it must not have says so by an error that nothing else raises
(``TELL``): of an error, the grader's notes show the name, and only the name.
"""

from files import CASES as FOLDER
from files import SHAPES

CASES = tuple(sorted([*(path.stem for path in FOLDER.glob("*.txt")), *SHAPES]))
HONEST_POINTS = 10.0
SEED = 7308125694130867
TELL = "BufferError"

# Less time for one cell or question than a student gets, so that an endless loop is known for one
# sooner; ``slow-honest`` shows that it is enough for an honest answer that takes its time. For the
# whole submission, and for Python to start, there is ``STEPS`` times as much.
CPU_SECONDS, WALL_SECONDS, GRACE, STEPS = 1.5, 4.0, 0.5, 12
LATE = 2.2 * STEPS * WALL_SECONDS  # seconds; whoever takes longer than this has held up the run

# What a grader must survive, in the words of the design, and the cases that try it.
NAMED: dict[str, tuple[str, ...]] = {
    "an infinite loop in a cell": ("loop-in-cell", "loop-deaf"),
    "an infinite loop in a call": (
        "loop-in-call",
        "loop-deaf-in-call",
        "stop-the-clock",
        "shared-work",
    ),
    "an infinite loop in C": ("loop-in-c",),
    "sleep": ("sleep", "sleep-in-calls", "stop-itself"),
    "a fork bomb": ("fork-bomb", "many-processes", "thread-bomb", "fork-runner", "forget-children"),
    "a fork with memory": ("fork-memory", "pipe-memory", "shared-map"),
    "a hundred gigabytes": ("huge-allocation", "memory-growth", "hidden-memory", "sparse-file"),
    "a gigabyte of output": ("stdout-flood", "stderr-flood", "babble"),
    "filling the disk": ("disk-fill", "many-files", "unnamed-files", "fill-memory-disks"),
    "a slow import": ("slow-import",),
    "os._exit(0)": ("exit", "exit-in-call", "abort", "exec-other"),
    "sys.exit": ("sys-exit",),
    "killing the parent and everything it may": (
        "kill-all",
        "kill-parent",
        "kill-original",
        "stop-parent",
        "limit-parent",
        "slow-parent",
    ),
    "a segmentation fault": ("segfault", "overflow-stack", "write-own-memory"),
    "input()": ("input", "type-on-terminal"),
    "forged result files": ("forge-results",),
    "patched comparisons": ("patch-comparisons",),
    "patched torch": ("patch-libraries", "patch-comparisons"),
    "patched json": ("patch-libraries", "patch-child"),
    "patched safetensors": ("patch-libraries", "patch-child"),
    "objects equal to everything": ("equal-to-all", "lying-objects", "endless-objects"),
    "tensor subclasses": ("tensor-subclass", "numpy-tricks"),
    "walking frames and gc": ("search-memory", "find-judges", "scan-memory"),
    "reading solutions": ("read-solutions", "read-neighbour", "read-submissions"),
    "importing the reference": ("import-reference", "find-judges"),
    "overwriting tests": ("overwrite-tests", "change-libraries"),
    "deleting files": ("delete-files", "move-scratch", "link-out"),
    "sockets": ("socket", "other-sockets"),
    "daemons": ("daemon", "sibling", "fork-runner", "act-after-close", "growing-file"),
    "pickle bombs": ("pickle-bomb", "pickle-weights"),
    ".pth and sitecustomize": ("site-packages", "fake-package", "import-hooks"),
    "changed global state": ("global-state", "other-world", "patch-fork", "patch-signals"),
    "NaN": ("odd-numbers",),
    "a wrong dtype or shape": ("wrong-shapes", "odd-numbers"),
    "nondeterminism": ("random-answers",),
    "huge returns": ("huge-return", "many-handles", "deep-return", "endless-errors"),
    "forging the protocol, and lies": (
        "speak-protocol",
        "endless-frame",
        "answer-ahead",
        "false-endings",
        "echo",
        "json-depth",
        "lying-tensors",
    ),
    "rewriting results late": (
        "late-answer",
        "at-exit",
        "act-after-close",
        "speak-after-close",
        "listen-after-close",
    ),
    "magics": ("magics",),
    "a notebook cut off": ("notebook-cut-off",),
    "a binary notebook": ("notebook-binary", "notebook-latin", "notebook-utf-16"),
    "a deep notebook": ("notebook-deep", "notebook-deep-beside", "notebook-huge-number"),
    "an empty notebook": ("notebook-empty", "notebook-no-cells", "notebook-is-null"),
    "missing or duplicate cells": (
        "notebook-bad-cells",
        "notebook-duplicate-cells",
        "notebook-same-ids",
        "notebook-too-many-cells",
    ),
    "a bad kernelspec": ("notebook-bad-kernelspec", "notebook-other-language"),
    "bad metadata": ("notebook-bad-metadata", "notebook-duplicate-keys", "notebook-old-format"),
    "surrogates": ("surrogates", "notebook-surrogates", "bad-paths"),
}

# Files of which nothing can be read earn nothing, and a sentence says why.
UNREADABLE = {
    "notebook-binary",
    "notebook-cut-off",
    "notebook-deep",
    "notebook-empty",
    "notebook-huge-number",
    "notebook-is-a-list",
    "notebook-is-null",
    "notebook-latin",
    "notebook-no-cells",
    "notebook-other-language",
    "notebook-too-many-cells",
}

# What these try is over before anybody has to be stopped, so nothing is noted.
QUIET = {"endless-file", "generators", "slow-honest", "speak-after-close"}

# What depends on who is first. Everywhere: what one answer has started in a session of its own is
# alive until the last question, and can spoil the student's own next answer. Without walls: the end
# of the process above may come in time to be blamed on a later cell, and what the kernel grants to
# anybody differs between machines.
RACES = {"listen-after-close": {"points lost"}}
PLAIN_RACES = {"kill-parent": {"points lost"}, "odd-calls": {"reached"}}

THROUGH: dict[str, dict[str, set[str]]] = {
    "uid": {
        "at-exit": {"left"},
        "fill-memory-disks": {"left"},
        "read-neighbour": {"reached"},
        "read-solutions": {"forged"},
        "read-submissions": {"reached"},
    },
    "plain": {
        "at-exit": {"left", "touched"},
        "change-libraries": {"reached"},
        "delete-files": {"touched"},
        "fill-memory-disks": {"left"},
        "forge-results": {"touched"},
        "kill-all": {"lost"},
        "limit-parent": {"points lost"},
        "other-sockets": {"reached"},
        "overwrite-tests": {"touched"},
        "read-neighbour": {"reached"},
        "read-solutions": {"forged"},
        "read-submissions": {"reached"},
        "setuid-file": {"touched"},
        "shared-memory": {"left"},
        "slow-parent": {"changed"},
        "site-packages": {"touched"},
        "socket": {"connected"},
    },
}


def unforeseen(outcome: dict, isolation: str) -> set[str]:
    """In what an outcome differs from what must happen at a kind of isolation."""
    races = RACES | (PLAIN_RACES if isolation == "plain" else {})
    perhaps = races.get(outcome["case"], set())
    return (what_happened(outcome) ^ allowed(outcome["case"], isolation)) - perhaps


def what_happened(outcome: dict) -> set[str]:
    """In a word or two each, what a submission achieved that it should not have."""
    if "forged" not in outcome:
        return {"lost"}
    through = {word for word in ("touched", "changed", "connected", "left") if outcome[word]}
    if outcome["forged"] > 0:
        through.add("forged")
    if outcome["case"] in UNREADABLE:
        if outcome["kept"] or not outcome["notes"]:
            through.add("not explained")
    elif outcome["kept"] != HONEST_POINTS:
        through.add("points lost")
    if any(TELL in note for note in outcome["notes"]):
        through.add("reached")
    if outcome["case"] in QUIET and outcome["notes"]:
        through.add("noted")
    if outcome["seconds"] > LATE:
        through.add("held up")
    return through


def allowed(case: str, isolation: str) -> set[str]:
    """What a case is known to achieve."""
    return THROUGH.get(isolation, {}).get(case, set())

"""The four things every chapter does, as they show in its source.

The course teaches in one rhythm: lay a foundation, build on it, compare with a truth, and look at
the frontier. A chapter that leaves one out has a gap that a reader would not notice.
"""

import re

PARTS: dict[str, tuple[str, ...]] = {
    "foundation": (r"(?m)^\$\$", r"\{math\}"),
    "build": (r"\{literalinclude\}", r"(?m)^def \w+\(", r"(?m)^class \w+"),
    "compare": (r"gap_table\(", r"plotting\.table\(", r"(?m)^assert "),
    "frontier": (r"\*Further reading\.\*",),
}
"""The parts, and patterns of which one at least occurs in a chapter that has the part."""


def missing_parts(source: str) -> list[str]:
    """Return the parts that a chapter lacks, in the order of ``PARTS``.

    Args:
        source: The chapter as it is written, in MyST Markdown.
    """
    return [
        name
        for name, patterns in PARTS.items()
        if not any(re.search(pattern, source) for pattern in patterns)
    ]

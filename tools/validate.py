"""Strict nbval: run every executed chapter again and compare all its outputs.

python tools/validate.py            every chapter, one worker a core
python tools/validate.py week01     those whose path contains the word
"""

import os
import sys

import pytest

from chapters import ROOT, find_chapters
from run_chapter import KERNEL_ENVIRONMENT
from store import executed_path


def main(words: list[str]) -> int:
    """Validate; a missing executed notebook is a failure, not a skip."""
    os.environ.update(KERNEL_ENVIRONMENT)
    names = [c.name for c in find_chapters() if all(word in c.name for word in words)]
    missing = [name for name in names if not executed_path(name).exists()]
    if missing or not names:
        print(
            f"not executed: {', '.join(missing) or ' '.join(words)}; run make execute",
            file=sys.stderr,
        )
        return 1
    return pytest.main(
        [
            *(str(executed_path(name)) for name in names),
            "--nbval",
            "--nbval-current-env",
            f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval_sanitize.cfg'}",
            "--nbval-cell-timeout=900",
            f"-n{min(os.cpu_count() or 1, len(names))}",
            "--dist=loadscope",
            "-q",
            "-c",
            str(ROOT / "tests" / "nbval.ini"),
            "--rootdir",
            str(ROOT),
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

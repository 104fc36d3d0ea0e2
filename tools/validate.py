"""Strict nbval: run executed chapters again and compare all their outputs.

python tools/validate.py            every chapter, one worker a core
python tools/validate.py week01     those whose path contains the word
python tools/validate.py --due      those not compared in their present state, and some others
"""

import argparse
import os
import sys

import pytest

import compared
from chapters import ROOT, find_chapters
from run_chapter import KERNEL_ENVIRONMENT
from store import executed_path


def main(arguments: list[str]) -> int:
    """Validate; a missing executed notebook is a failure, not a skip."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="parts of a chapter's path, all of them")
    parser.add_argument(
        "--due",
        action="store_true",
        help=f"leave out chapters that {compared.LEDGER.relative_to(ROOT)} knows as they are",
    )
    parser.add_argument(
        "--lot",
        type=float,
        default=compared.LOT,
        metavar="SECONDS",
        help="with --due: CPU seconds of known chapters to compare still (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    names = [c.name for c in find_chapters() if all(word in c.name for word in options.words)]
    missing = [name for name in names if not executed_path(name).exists()]
    if missing or not names:
        words = ", ".join(missing) or " ".join(options.words)
        print(f"not executed: {words}; run make execute", file=sys.stderr)
        return 1
    if options.due:
        changed, drawn = compared.due(names, options.lot)
        print(
            f"comparing {len(changed)} chapters that were not compared as they are, and "
            f"{len(drawn)} drawn from the other {len(names) - len(changed)}",
            flush=True,
        )
        names = changed + drawn
    return _compare(names) if names else 0


def _compare(names: list[str]) -> int:
    """Run nbval; what it passes as a whole is written down."""
    os.environ.update(KERNEL_ENVIRONMENT)
    failed = pytest.main(
        [
            *(str(executed_path(name)) for name in names),
            "--nbval",
            "--nbval-current-env",
            f"--nbval-sanitize-with={compared.SANITIZE}",
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
    if not failed:
        compared.record(names)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

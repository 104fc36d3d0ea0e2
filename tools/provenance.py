"""Where and when something was made: versions, a date, a commit; never a guess.

A date honours ``SOURCE_DATE_EPOCH``, so that the same sources give the same bytes. A commit that
git cannot tell, because there is no git or no repository, is ``unknown``.
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

UNKNOWN = "unknown"


def today() -> str:
    """The date in UTC, such as 2026-01-31."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.date().isoformat()


def commit(folder: Path) -> str:
    """The first ten digits of the commit of ``folder``, marked when files differ from it."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=10", "--exclude=*"]
    try:
        done = subprocess.run([*command, "--dirty=+"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return done.stdout.strip() if done.returncode == 0 else UNKNOWN


def package(name: str) -> str:
    """The version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return UNKNOWN


def of_execution(folder: Path) -> dict[str, str]:
    """What an executed chapter remembers of its execution."""
    return {
        "executed": today(),
        "commit": commit(folder),
        "python": platform.python_version(),
        "torch": package("torch"),
        "numpy": package("numpy"),
    }

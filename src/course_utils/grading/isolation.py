"""Which kinds of isolation a machine offers, and what each of them needs.

Best first, with what each can promise:

- **bubblewrap**: new namespaces. The command sees a small read-only system, no process but its
  own, no network, and one scratch folder that lives in memory and vanishes with it.
- **landlock**: the same machine, but the kernel refuses to open any file outside a list, every
  socket, and (from Linux 6.12) any signal to a process outside.
- **uid**: another user, when the grader is root. What the machine lets every user read can be
  read; nothing of the grader's can be changed or killed, and every socket is refused.
- **plain**: limits only. The command may read and delete whatever the grader may, and end the
  grader. For work one has read, or for a machine one can throw away.

Many systems have bubblewrap and forbid what it does (Ubuntu 24.04 and Docker do by default), so it
counts as available only after a try.
"""

import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from course_utils.grading.landlock import can_restrict_calls, landlock_version

HERE = Path(__file__).resolve().parent
"""The folder of this package."""

LEVELS = ("bubblewrap", "landlock", "uid", "plain")
"""Kinds of isolation, the strongest first."""

WARNINGS = {
    "uid": "isolation is another user only: a submission can read what every user may read",
    "plain": "NO ISOLATION: a submission can read, change and delete files, end other processes "
    "and use the network",
}
"""What the weak kinds do not keep apart; printed when one of them is used."""

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
"""Folders of the system that a submission may read."""

SETTINGS = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/alternatives", "/etc/fonts")
"""Settings of the system without which programs do not start."""

KERNEL_FILES = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
"""What libraries ask the kernel about the machine and about themselves."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
"""Devices that hold nothing."""

SPARE_UIDS = range(61184, 65520)
"""Numbers of users who own nothing; systemd, too, hands these out to users without a name."""


class SandboxError(RuntimeError):
    """A sandbox that is not to be had here, or that did not start; one line says why."""


def available() -> tuple[str, ...]:
    """The kinds of isolation this machine offers, best first."""
    return tuple(level for level in LEVELS if not _missing(level))


def choose(isolation: str) -> str:
    """The best isolation for "auto", else the one named.

    Args:
        isolation: "auto", or one of "bubblewrap", "landlock", "uid" and "plain".

    Returns:
        The name of an isolation this machine offers.

    Raises:
        SandboxError: If the name is unknown or this machine does not offer it.
    """
    if isolation == "auto":
        if found := available():
            return found[0]
        raise SandboxError(f"isolation: there is none here: {_missing('plain')}")
    if isolation not in LEVELS:
        raise SandboxError(f"isolation must be auto or one of {', '.join(LEVELS)}: {isolation!r}")
    if why := _missing(isolation):
        raise SandboxError(f"isolation {isolation} is not to be had here: {why}")
    return isolation


@functools.cache
def _missing(level: str) -> str:
    """Why a kind of isolation is not to be had, empty if it is."""
    if os.name != "posix":
        return "it needs Linux, macOS or the Windows subsystem for Linux"
    if level == "plain":
        return ""
    if sys.platform != "linux":
        return "it needs Linux"
    if not can_restrict_calls():
        return f"no filter of system calls is known for {os.uname().machine}"
    if level == "bubblewrap":
        return _bubblewrap_missing()
    if level == "landlock":
        return "" if landlock_version() else "the kernel has no Landlock"
    if os.geteuid() != 0:
        return "only root can become another user"
    hidden = [path for path in python_folders() if not _reached_by_all(path)]
    return f"other users cannot reach {hidden[0]}" if hidden else ""


def _bubblewrap_missing() -> str:
    """Try bubblewrap once."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    with tempfile.TemporaryDirectory() as folder:
        command = [*bubblewrap_words(Path(folder), (), 2**20), "/usr/bin/env", "true"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = done.stderr.strip().splitlines() or [f"bwrap ends with {done.returncode}"]
    return lines[-1] if done.returncode else ""


def python_folders() -> tuple[Path, ...]:
    """The folders of this Python and its libraries."""
    return tuple(Path(folder) for folder in dict.fromkeys((sys.prefix, sys.base_prefix)))


def landlock_readable(readable: Sequence[Path]) -> list[str]:
    """What Landlock lets a sandbox read."""
    return [*SYSTEM, *SETTINGS, *KERNEL_FILES, *map(str, (*python_folders(), *readable))]


def bubblewrap_words(scratch: Path, readable: Sequence[Path], scratch_bytes: int) -> list[str]:
    """The bubblewrap command line up to the command that holds the namespaces open.

    Args:
        scratch: Where a new, empty file system in memory is shown.
        readable: What is shown read-only, besides the system and Python.
        scratch_bytes: The size of the scratch folder.

    Returns:
        Its words; every folder above something shown is new, empty and open to all.
    """
    words = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--cap-drop", "ALL"]
    words += [f"--unshare-{kind}" for kind in ("pid", "net", "ipc", "uts", "cgroup-try")]
    if os.geteuid() != 0:
        words += ["--unshare-user", "--disable-userns"]
    for place in map(Path, SYSTEM):
        if place.is_symlink():
            words += ["--symlink", str(place.readlink()), str(place)]
        elif place.exists():
            words += ["--ro-bind", str(place), str(place)]
    for setting in SETTINGS:
        words += ["--ro-bind-try", setting, setting]
    words += ["--proc", "/proc", "--dev", "/dev"]
    shown = [path for path in (*python_folders(), *readable) if not _in_system(path)]
    above = {folder for path in (*shown, scratch) for folder in path.parents}
    for folder in sorted(above - {Path("/")}):
        if not _in_system(folder):
            words += ["--perms", "0755", "--dir", str(folder)]
    for path in shown:
        words += ["--ro-bind", str(path), str(path)]
    words += ["--perms", "0777", "--size", str(scratch_bytes), "--tmpfs", str(scratch)]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(scratch)]


def _in_system(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in SYSTEM)


def _open_to_all(path: Path) -> bool:
    """Whether every user may read a file or folder, once there."""
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        return mode & 0o004 != 0 and (mode & 0o001 != 0 or not path.is_dir())
    return False


def _reached_by_all(path: Path, *, read: bool = True) -> bool:
    """Whether every user may go down to a path, and read it."""
    with contextlib.suppress(OSError):
        path = path.resolve()
        below = all(folder.stat().st_mode & 0o001 for folder in path.parents)
        return below and (_open_to_all(path) or not read)
    return False


def another_user(
    isolation: str, scratch: Path, readable: Sequence[Path]
) -> tuple[int | None, socket.socket | None]:
    """The user to become, where the grader is root, and what to close to give the number back.

    Under Landlock it need not be another user, so that a Python in the home of root will do.

    Args:
        isolation: The kind of isolation.
        scratch: The scratch folder, which is given to that user.
        readable: What that user must be able to read.

    Raises:
        SandboxError: If that user could not read what it must, or no number is free.
    """
    if os.geteuid() != 0 or isolation == "plain":
        return None, None
    if isolation == "bubblewrap":  # makes the folders above anew
        hidden = [path for path in readable if not _open_to_all(path)]
    else:
        hidden = [path for path in readable if not _reached_by_all(path)]
        hidden += [] if _reached_by_all(scratch, read=False) else [scratch]
    if isolation == "landlock" and (hidden or _missing("uid")):
        return None, None
    if hidden:
        raise SandboxError(f"as the grader is root, every user must be able to reach {hidden[0]}")
    uid, claim = _take_uid()
    os.chown(scratch, uid, uid)
    return uid, claim


def _take_uid() -> tuple[int, socket.socket]:
    """A user number that no other sandbox of this machine has.

    Limits on processes are counted per user, and a user may end all its own processes, so two
    sandboxes must not share one. A bound abstract socket is the claim: the kernel allows one of a
    name and forgets it with the process.
    """
    for uid in SPARE_UIDS:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0course-grading-{uid}")
            return uid, claim
        except OSError:
            claim.close()
    raise SandboxError("every spare user number is taken by another sandbox")

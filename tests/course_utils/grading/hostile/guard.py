"""The outer guard: where hostile submissions may be graded at all.

A hole in the sandbox under test must fail a test and not end the machine. So the grader itself runs
in new namespaces (no process of the machine, no network, every folder read-only but one in memory),
as a user without rights, with limits on processes, memory, files and time. Below, ``victims`` lays
out what a hostile submission would like to touch.
"""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[4]
LIMITS = {
    resource.RLIMIT_AS: 6 * 2**30,
    resource.RLIMIT_FSIZE: 64 * 2**20,
    resource.RLIMIT_CPU: 600,
    resource.RLIMIT_CORE: 0,
}
TASKS = 256
VICTIMS = Path("/tmp/victims")  # inside the guard, where /tmp is new


def words(*arguments: str) -> list[str]:
    """The command that runs Python under the guard.

    Args:
        arguments: What follows the name of the interpreter.

    Returns:
        The words of a command for ``subprocess``.
    """
    # The processes first, by another tool: bubblewrap covers parts of /proc, and the kernel then
    # forbids the bubblewrap inside to show a /proc of its own.
    found = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    found += [] if os.geteuid() == 0 else ["--map-root-user"]
    found += ["bwrap", "--die-with-parent", "--new-session", "--unshare-net", "--unshare-ipc"]
    found += [
        "--cap-drop",
        "ALL",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--bind",
        "/proc",
        "/proc",
    ]
    found += ["--perms", "0755", "--tmpfs", str(Path.home())]
    found += _shown_again(Path.home())
    found += ["--size", str(2**28), "--perms", "1777", "--tmpfs", "/tmp"]
    found += [*_shown_again(Path("/tmp")), "--chdir", "/tmp"]
    if os.geteuid() == 0:
        user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
        found += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "setpriv", *user]
    else:
        found += ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]
    return [*found, "--", sys.executable, "-B", *arguments]


def _shown_again(covered: Path) -> list[str]:
    """Show Python and the repository again where a new folder covers them."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), ROOT}
    hidden = sorted(folder for folder in folders if folder.is_relative_to(covered))
    above = {up for folder in hidden for up in folder.parents if up.is_relative_to(covered)}
    found: list[str] = []
    for folder in sorted(above - {covered}):
        found += ["--perms", "0755", "--dir", str(folder)]
    for folder in hidden:
        found += ["--ro-bind", str(folder), str(folder)]
    return found


def missing() -> str:
    """Why there can be no guard on this machine, empty if there can."""
    if sys.platform != "linux" or not all(map(shutil.which, ("bwrap", "unshare", "setpriv"))):
        return "the outer guard needs Linux and bubblewrap"
    done = subprocess.run(words("-c", ""), capture_output=True, text=True, timeout=60)
    return (done.stderr.splitlines() or ["?"])[-1] if done.returncode else ""


def enter() -> None:
    """Take on the limits, or refuse to go on if this is not the inside of the guard."""
    alone = Path("/proc/1/comm").read_text().strip() == "bwrap"
    if os.geteuid() == 0 or not alone:
        raise SystemExit("hostile submissions are graded under the outer guard only")
    for name, most in LIMITS.items():
        resource.setrlimit(name, (most, most))
    resource.setrlimit(resource.RLIMIT_NPROC, (TASKS, TASKS))


def victims() -> dict[str, str]:
    """Lay out files that belong to the grader's user, and return their texts by path."""
    texts = {"home/.bashrc": "mine", "grades/ada.json": '{"score": 50}', "ada.py": "answer = 42"}
    for name, text in texts.items():
        path = VICTIMS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {str(VICTIMS / name): text for name, text in texts.items()}

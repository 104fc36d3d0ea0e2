"""The outer guard: where hostile submissions may be graded at all.

A hole in the sandbox under test must fail a test and not end the machine. So the grader itself runs
in new namespaces (no process of the machine, no network, every folder read-only but one in memory),
as a user without rights, with limits on processes, memory, files and time. Below, ``victims`` lays
out what a hostile submission would like to touch.

To become another user, a grader must be root. The guard has a root of its own for that: user 0 of
a new user namespace, which on the machine is a number that owns nothing, as are the 65536 numbers
this root can become. Of its rights it keeps ``KEPT``, and they end at the namespace.

    python guard.py NUMBER PROGRAM [ARGUMENT ...]     that step, started by ``words``
"""

import ctypes
import functools
import itertools
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

FIRST_USER, USERS = 2**20, 2**16  # numbers that no machine gives to anybody
ROOT = Path(__file__).resolve().parents[4]
LIMITS = {
    resource.RLIMIT_AS: 6 * 2**30,
    resource.RLIMIT_FSIZE: 64 * 2**20,
    resource.RLIMIT_CPU: 600,
    resource.RLIMIT_CORE: 0,
}
TASKS = 256
VICTIMS = Path("/tmp/victims")  # inside the guard, where /tmp is new
# By number in linux/capability.h: chown, dac_override, fowner, kill, setgid, setuid, sys_ptrace.
KEPT = (0, 1, 3, 5, 6, 7, 19)
NEW_USER_NAMESPACE = 0x10000000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38

_turns = itertools.count(os.getpid())


def words(*arguments: str, as_root: bool = False) -> list[str]:
    """The command that runs Python under the guard.

    Args:
        arguments: What follows the name of the interpreter.
        as_root: Whether as the guard's own root, which only root of the machine can make.

    Returns:
        The words of a command for ``subprocess``.
    """
    # The processes first, by another tool: bubblewrap covers parts of /proc, and the kernel then
    # forbids the bubblewrap inside to show a /proc of its own.
    found = ["setpriv", "--pdeathsig", "KILL"]  # nobody left who waits for it: it ends
    found += ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    found += [] if os.geteuid() == 0 else ["--map-root-user"]
    found += ["bwrap", "--die-with-parent", "--new-session", "--unshare-net", "--unshare-ipc"]
    found += ["--cap-drop", "ALL", "--ro-bind", "/", "/"]
    found += ["--dev", "/dev", "--bind", "/proc", "/proc"]
    found += ["--perms", "0755", "--tmpfs", str(Path.home())]
    found += _shown_again(Path.home())
    found += ["--size", str(2**28), "--perms", "1777", "--tmpfs", "/tmp"]
    found += [*_shown_again(Path("/tmp")), "--chdir", "/tmp"]
    # Processes are counted by user, so guards side by side need different ones.
    user = FIRST_USER + USERS * (next(_turns) % 2**14)
    program = [sys.executable, "-B", *arguments]
    if as_root:
        rights = ("CAP_SETUID", "CAP_SETGID", "CAP_SYS_ADMIN")
        found += [word for right in rights for word in ("--cap-add", right)]
        program = [sys.executable, "-B", str(Path(__file__).resolve()), str(user), *program]
    elif os.geteuid() == 0:
        as_user = [f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
        found += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "setpriv", *as_user]
    else:
        found += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    return [*found, "--", *program]


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


@functools.cache
def missing(*, as_root: bool = False) -> str:
    """Why there can be no guard on this machine, empty if there can."""
    if sys.platform != "linux" or not all(map(shutil.which, ("bwrap", "unshare", "setpriv"))):
        return "the outer guard needs Linux and bubblewrap"
    if as_root and os.geteuid() != 0:
        return "only root can give the outer guard a root of its own"
    program = words("-c", "", as_root=as_root)
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    return (done.stderr.splitlines() or ["?"])[-1] if done.returncode else ""


def become_own_root(first: int, program: list[str]) -> None:
    """Run a program as root of a new user namespace, and end as it does.

    Args:
        first: The number on the machine of the namespace's user 0; the others follow it.
        program: Its path and its arguments.
    """
    ready, tell_ready = os.pipe()
    mapped, tell_mapped = os.pipe()
    limit_tasks()  # what holds for the maker of a namespace holds for all within
    child = os.fork()
    if child == 0:
        os.close(tell_mapped)
        _own_root(first, tell_ready, mapped)
        os.execv(program[0], program)
    os.close(tell_ready)
    os.read(ready, 1)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{name}").write_text(f"0 {first} {USERS}")
    _become(first + USERS - 1)  # from here on without rights
    os.write(tell_mapped, b"x")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)


def _own_root(first: int, tell_ready: int, mapped: int) -> None:
    """Enter a new user namespace, wait for its numbers, and keep the rights of ``KEPT`` only."""
    kernel = ctypes.CDLL(None, use_errno=True)
    _become(first)
    if kernel.unshare(NEW_USER_NAMESPACE):
        os._exit(ctypes.get_errno())
    os.write(tell_ready, b"x")
    if not os.read(mapped, 1):
        os._exit(1)
    _become(0)
    for right in set(range(64)) - set(KEPT):
        kernel.prctl(PR_CAPBSET_DROP, right, 0, 0, 0)  # gone with the next exec
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def limit_tasks() -> None:
    """Set the limit on processes and threads."""
    resource.setrlimit(resource.RLIMIT_NPROC, (TASKS, TASKS))


def enter() -> None:
    """Take on the limits, or refuse to go on if this is not the inside of the guard."""
    alone = Path("/proc/1/comm").read_text().strip() == "bwrap"
    if not alone or (os.geteuid() == 0 and not _is_own_root()):
        raise SystemExit("hostile submissions are graded under the outer guard only")
    for name, most in LIMITS.items():
        resource.setrlimit(name, (most, most))
    limit_tasks()


def _is_own_root() -> bool:
    """Whether user 0 is nobody on the machine, with no more rights than it should keep."""
    inside, outside, count = map(int, Path("/proc/self/uid_map").read_text().split())
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = int(dict(line.split(":\t", 1) for line in lines)["CapEff"], 16)
    rights = {right for right in range(64) if effective >> right & 1}
    return (inside, count) == (0, USERS) and outside >= FIRST_USER and rights <= set(KEPT)


def victims() -> dict[str, str]:
    """Lay out files that belong to the grader's user, and return their texts by path."""
    texts = {
        "home/.bashrc": "mine",
        "grades/ada.json": '{"score": 50}',
        "ada.py": "answer = 42",
        "tests/test_week01.py": "assert False",
    }
    for name, text in texts.items():
        path = VICTIMS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {str(VICTIMS / name): text for name, text in texts.items()}


if __name__ == "__main__":
    become_own_root(int(sys.argv[1]), sys.argv[2:])

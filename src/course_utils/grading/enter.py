"""The last step into a sandbox: give up what is not needed, before any code of a submission.

Runs in a copy of the fork server that is about to become a student's process. The order matters:
first the namespaces that bubblewrap has made; then limits, while they may still be set; then
another user, which drops every privilege; then the promise never to gain one again
(``no_new_privs``); then the file rules of Landlock and the filter on system calls, which need that
promise. None of it can be taken back.
"""

import os
import resource
import sys

import landlock  # a neighbour of this file, without the package

SPARE_TIME = 10
"""The kernel itself ends a process at this many times the limit of processor time: the grader may
grant more, and its watch is the exact one."""

LESS_URGENT = 10
"""Niceness of a submission beside its warden, which must be heard through a fork bomb."""

SPARE_ADDRESS_SPACE = 2**31
"""Bytes of address space beyond the limit of memory: libraries map far more than they touch."""


def set_limits(limits: dict, tasks: int) -> None:
    """Set the limits that the kernel keeps for each process.

    Args:
        limits: The fields of ``limits.Limits``.
        tasks: How many processes and threads this user may have.
    """
    cpu = SPARE_TIME * (int(limits["cpu_seconds"]) + 1)
    wanted = {
        "RLIMIT_CPU": (cpu, cpu + 1),
        "RLIMIT_FSIZE": int(limits["file_bytes"]),
        "RLIMIT_NOFILE": int(limits["open_files"]),
        "RLIMIT_NPROC": tasks,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
    }
    if sys.platform == "linux":  # macOS has the limit and does not keep it
        wanted["RLIMIT_AS"] = int(limits["memory_bytes"]) + SPARE_ADDRESS_SPACE
    for name, value in wanted.items():
        number = getattr(resource, name)
        soft, hard = value if isinstance(value, tuple) else (value, value)
        ceiling = resource.getrlimit(number)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(number, (soft, hard))


def drop_user(uid: int) -> None:
    """Become a user without a name, without groups and without privileges."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def enter(told: dict, holder: int | None) -> None:
    """Confine this process for good.

    Args:
        told: What ``sandbox.launch`` decided: the limits, the user, the rules.
        holder: A process in the namespaces to enter, if there are any.
    """
    os.umask(0o077)
    if holder is not None:
        landlock.join_namespaces(holder)
        _go_inside()
    os.chdir(told["scratch"])
    set_limits(told["limits"], told["tasks"])
    os.nice(LESS_URGENT)
    if told["restrict_calls"]:
        landlock.bar_privileges()
    if told["uid"] is not None:
        drop_user(told["uid"])
    if told["restrict_calls"]:
        landlock.drop_capabilities()
    landlock.tie_to_parent()
    if sys.platform == "linux":
        landlock.never_gain_privileges()
    if told["readable"]:
        landlock.restrict_files(told["readable"], told["writable"])
    if told["restrict_calls"]:
        landlock.restrict_calls()


def _go_inside() -> None:
    """Fork; the copy is inside the joined process namespace and goes on, this one waits for it."""
    inside = os.fork()
    if not inside:
        return
    os.closerange(0, 3)  # or the grader would never see the end of the pipes
    landlock.drop_capabilities()
    code = os.waitstatus_to_exitcode(os.waitpid(inside, 0)[1])
    os._exit(code if code >= 0 else 128 - code)

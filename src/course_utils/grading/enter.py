"""The last step into a sandbox: give up what is not needed, then become the student's process.

Runs inside, before any code of a submission, with the standard library alone. The order matters:
limits first, while they may still be set; then another user, which drops every privilege; then
the promise never to gain one again (``no_new_privs``); then the file rules of Landlock and the
filter on system calls, which need that promise. After ``exec`` none of it can be taken back.
"""

import json
import os
import resource
import sys

import landlock  # a neighbour of this file, not of the package

SPARE_TIME = 10  # the grader may grant more time; its watch is the exact one
LESS_URGENT = 10  # than the warden, which must be heard through a fork bomb
SPARE_ADDRESS_SPACE = 2**31  # libraries map far more than they touch


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


def main() -> None:
    """Confine this process as the first argument says and become the command after it."""
    told = json.loads(sys.argv[1])
    set_limits(told["limits"], told["tasks"])
    os.nice(LESS_URGENT)
    if told["uid"] is not None:
        drop_user(told["uid"])
    elif os.geteuid() == 0 and told["restrict_calls"]:
        landlock.drop_privileges()
    if sys.platform == "linux":
        landlock.never_gain_privileges()
    if told["readable"]:
        landlock.restrict_files(told["readable"], told["writable"])
    if told["restrict_calls"]:
        landlock.restrict_calls()
    os.umask(0o077)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()

"""Asking the kernel for less: requests that Python has no name for, through ctypes.

- ``guard_process`` protects the grader: no process of the same user may trace it or read its
  memory, and orphans below it come back to it.
- ``restrict_files`` is *Landlock* (Linux 5.13): from now on this process and all its children may
  open only files below the folders named. Any user may ask, nothing needs to be installed, and
  there is no way back. Later kernels add TCP (6.7) and signals to processes outside (6.12).
- ``restrict_calls`` is *seccomp*: a small program that the kernel runs before each system call.
  It closes what Landlock leaves open: every kind of socket, shared memory that outlives its
  maker, tracing, new namespaces, and calls that change the limits of *another* process.
- ``join_namespaces`` goes where another process already is: it sees the files, the processes and
  the network that the other one sees, and nothing else (Linux 5.8).

Standard library alone: this file is read by the fork server, which trusts nothing else.
"""

import ctypes
import errno
import os
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
"""What a process asks for itself: to end with its parent, to be closed to others, a filter."""

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
"""The same: to inherit orphans, and never to gain rights."""

PR_CAPBSET_DROP, PR_SET_SECUREBITS, NO_ROOT_AND_LOCKED = 24, 28, 0b11
"""The same: to give up a capability, and that being root means nothing from now on."""

CAPABILITY_VERSION = 0x20080522
"""Version 3 of the kernel's structure of capabilities."""

NAMESPACES = {
    "mnt": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
"""Flag of each kind of namespace that a submission joins."""

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Landlock's three system calls, the same on every processor."""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
"""Rights on files."""

TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
"""Rights on files that came with versions 3 and 5."""

READ = EXECUTE | READ_FILE | READ_DIR
"""Rights on what may be read."""

FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
"""Rights that make sense for a file; the others are those of folders."""

MAKE_DEVICE = 1 << 6 | 1 << 11
"""Rights to make devices of characters and of blocks."""

KNOWN_FILE_BITS = (13, 14, 15, 15, 16)
"""How many rights on files a kernel of Landlock version 1, 2, ... knows."""

TCP_SINCE, TCP = 4, 0b11
"""The version that brought rights on TCP, and these."""

SCOPE_SINCE, SCOPE = 6, 0b11
"""The version that walls off abstract sockets and signals, and these."""


# System calls by number on x86-64 and on 64-bit ARM.
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""For each kind of processor, its place in the pairs below and its number in a filter."""

DENIED = {
    "socket": (41, 198),
    "io_uring_setup": (425, 425),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "open_by_handle_at": (304, 265),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
"""Calls that no exercise needs."""

SELF_ONLY = {
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}
"""Calls whose first argument must be 0, which means the calling process."""

CLONE, CLONE3, NEW_USER_NAMESPACE = (56, 220), (435, 435), 0x10000000
"""Calls that make a process, and the flag that may not stand in the first."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions of a filter."""

NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
"""Where a filter finds what is called, on which processor, and with what."""

ALLOW, REFUSE = 0x7FFF0000, 0x00050000
"""What a filter answers."""


def _kernel() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def guard_process() -> None:
    """Make this process untraceable, and the new parent of orphans below it (Linux only)."""
    if sys.platform == "linux":
        forbid_tracing()
        _kernel().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def forbid_tracing() -> None:
    """Keep every process of the same user from tracing this one or reading its memory."""
    if sys.platform == "linux":
        _kernel().prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def never_gain_privileges() -> None:
    """Programs with the set-user bit give this process nothing from now on."""
    _checked(_kernel().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def bar_privileges() -> None:
    """No program that is run from here on gives a capability, not even to user 0."""
    prctl = _kernel().prctl
    for capability in range(64):
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    prctl(PR_SET_SECUREBITS, NO_ROOT_AND_LOCKED, 0, 0, 0)  # needed by user 0, refused to others


def drop_capabilities() -> None:
    """Give up every capability of this process."""
    header, none = struct.pack("=Ii", CAPABILITY_VERSION, 0), bytes(24)
    _checked(_kernel().capset(header, none), "capset")


def tie_to_parent() -> None:
    """End with the parent process, and be as readable to it as any program (Linux only)."""
    if sys.platform == "linux":
        prctl = _kernel().prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def join_namespaces(process: int) -> None:
    """Enter all namespaces of another process; its processes are those of the next fork.

    Args:
        process: Its number. This process must have one thread only.

    Raises:
        OSError: If the kernel refuses.
    """
    kinds = 0
    for name, flag in NAMESPACES.items():
        theirs, ours = (Path(f"/proc/{who}/ns/{name}").stat().st_ino for who in (process, "self"))
        kinds |= flag if theirs != ours else 0
    place = os.pidfd_open(process)
    _checked(_kernel().setns(place, kinds), "setns")
    os.close(place)


def landlock_version() -> int:
    """The version of Landlock in this kernel, 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, _kernel().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1))


def can_restrict_calls() -> bool:
    """Whether the numbers of the system calls are known for this machine."""
    return sys.platform == "linux" and os.uname().machine in MACHINES and sys.maxsize > 2**32


def restrict_files(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Allow files below these paths only, no TCP, and no signal to a process outside.

    Args:
        readable: Files and folders to read and run; what does not exist is passed over.
        writable: Folders to change and files to write.

    Raises:
        OSError: If the kernel refuses.
    """
    version = landlock_version()
    files = (1 << KNOWN_FILE_BITS[min(version, len(KNOWN_FILE_BITS)) - 1]) - 1
    tcp = TCP if version >= TCP_SINCE else 0
    scope = SCOPE if version >= SCOPE_SINCE else 0
    rights = struct.pack("QQQ", files, tcp, scope)
    kernel = _kernel()
    rules = _checked(
        kernel.syscall(CREATE_RULESET, rights, ctypes.c_size_t(len(rights)), 0), "landlock"
    )
    for paths, access in ((readable, READ), (writable, files & ~MAKE_DEVICE)):
        for path in paths:
            if Path(path).exists():
                _allow(kernel, rules, path, access & files)
    _checked(kernel.syscall(RESTRICT_SELF, rules, 0), "landlock")
    os.close(rules)


def _allow(kernel: ctypes.CDLL, rules: int, path: str, access: int) -> None:
    """Add one path to a set of rules."""
    if not Path(path).is_dir():
        access &= FILE_ONLY
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", access, place)
    _checked(kernel.syscall(ADD_RULE, rules, 1, rule, 0), f"landlock: {path}")
    os.close(place)


def call_filter(machine: str) -> bytes:
    """The program of ``restrict_calls``: 8 bytes an instruction (code, two jumps, operand)."""
    column, architecture = MACHINES[machine]
    refuse = (RETURN, 0, 0, REFUSE | errno.EPERM)
    steps = [(LOAD, 0, 0, ARCHITECTURE_AT), (EQUAL, 1, 0, architecture), refuse]
    steps += [(LOAD, 0, 0, NUMBER_AT)]
    if machine == "x86_64":  # a second numbering of the same calls starts here
        steps += [(AT_LEAST, 0, 1, 0x40000000), refuse]
    for numbers in DENIED.values():
        steps += [(EQUAL, 0, 1, numbers[column]), refuse]
    missing = (RETURN, 0, 0, REFUSE | errno.ENOSYS)  # the library falls back to clone
    steps += [(EQUAL, 0, 1, CLONE3[column]), missing]
    allow = (RETURN, 0, 0, ALLOW)
    argument = (LOAD, 0, 0, FIRST_ARGUMENT_AT)
    steps += [(EQUAL, 0, 4, CLONE[column]), argument, (ANY_BIT, 0, 1, NEW_USER_NAMESPACE)]
    steps += [refuse, allow]
    for numbers in SELF_ONLY.values():
        steps += [(EQUAL, 0, 4, numbers[column]), argument, (EQUAL, 1, 0, 0), refuse, allow]
    return b"".join(struct.pack("=HBBI", *step) for step in [*steps, allow])


def restrict_calls() -> None:
    """Refuse the system calls of ``DENIED`` to this process and its children, for good.

    Like ``restrict_files`` it needs the promise of ``never_gain_privileges`` first.

    Raises:
        OSError: If the kernel refuses the filter.
    """
    program = call_filter(os.uname().machine)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _checked(_kernel().prctl(PR_SET_SECCOMP, 2, header, 0, 0), "seccomp")

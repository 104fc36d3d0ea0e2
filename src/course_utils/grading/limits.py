"""What a submission may use, and how much a whole tree of processes has used.

The operating system's own limits (``setrlimit``) hold for one process: a submission that forks
gets them afresh in each child. So they are only the first fence, for a single process that asks
for a hundred gigabytes at once. The second is measured from outside, over every descendant:

- memory is the sum of *proportional* set sizes. After a fork, parent and child share their pages,
  and torch alone is two hundred megabytes; adding resident sizes would count it once per process,
  so that eight harmless forks looked like two gigabytes. A proportional size divides each page
  among those who share it, and the sum is what the tree really holds;
- processor time is that of the living plus that of the dead, which each parent inherits when it
  waits for its children.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, fields

import psutil

MIB = 2**20
"""Bytes of a mebibyte."""


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use, all its processes together.

    Args:
        cpu_seconds: Processor time, in seconds.
        wall_seconds: Time on the clock, in seconds.
        memory_bytes: Memory by proportional set size, in bytes.
        processes: Processes alive at once.
        file_bytes: Size of one file, and of all files in the scratch folder together.
        open_files: Files open at once in one process.
        output_bytes: What may be written to standard error before the sandbox is stopped.

    Raises:
        ValueError: If a limit is not a positive number.
    """

    cpu_seconds: float = 120.0
    wall_seconds: float = 180.0
    memory_bytes: int = 2048 * MIB
    processes: int = 32
    file_bytes: int = 64 * MIB
    open_files: int = 256
    output_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"{field.name} must be a positive number, got {value!r}")


@dataclass(frozen=True)
class Usage:
    """What a tree of processes uses: processor seconds, bytes of memory, processes alive."""

    cpu_seconds: float
    memory_bytes: int
    processes: int


def descendants(root: psutil.Process) -> list[psutil.Process]:
    """Every living process below ``root``, which is not counted itself."""
    with contextlib.suppress(psutil.Error):
        return [child for child in root.children(recursive=True) if alive(child)]
    return []


def stop_all(
    root: psutil.Process, keep: Set[int] = frozenset(), seconds: float = math.inf
) -> set[int]:
    """Stop every descendant, so that none can fork while others die; return their numbers.

    Args:
        root: The process above them.
        keep: Numbers of those that go on.
        seconds: When to give up: what forks and leaves at once may run ahead for long.
    """
    stopped: set[int] = set()
    end = time.monotonic() + seconds
    while new := {process.pid for process in descendants(root)} - stopped - keep:
        send(new, signal.SIGSTOP)
        stopped |= new
        if time.monotonic() > end:
            break
    return stopped


def end_all(
    root: psutil.Process,
    reap: Callable[[], None],
    keep: Set[int] = frozenset(),
    seconds: float = math.inf,
) -> None:
    """Kill every descendant and wait until none is left.

    Args:
        root: This process.
        reap: Waits for children that have ended. The first process of a namespace cannot end
            before all others of it have been waited for.
        keep: Numbers of those that go on.
        seconds: When to give up.
    """
    end = time.monotonic() + seconds
    stop_all(root, keep, seconds / 2)
    while left := {process.pid for process in descendants(root)} - keep:
        send(left, signal.SIGKILL)
        reap()
        if time.monotonic() > end:
            break
        time.sleep(0.002)


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes, those that have gone left out."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def measure(root: psutil.Process, tree: Iterable[psutil.Process], at_most: int) -> Usage:
    """Add up a tree of processes.

    Proportional sizes are slow to read, and never exceed resident ones; so they are read only
    when the resident sizes add up to more than ``at_most``.

    Args:
        root: The process whose dead children count as well.
        tree: Its living descendants.
        at_most: The limit on memory, in bytes.

    Returns:
        Processor seconds of the living and the dead, bytes of memory, number of processes.
    """
    tree = list(tree)
    memory = sum(_resident(process) for process in tree)
    if memory > at_most:
        memory = sum(_proportional(process) for process in tree)
    own = root.cpu_times()
    cpu = own.children_user + own.children_system + sum(_cpu(process) for process in tree)
    return Usage(cpu, memory, len(tree))


def _cpu(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:4])
    except psutil.Error:
        return 0.0


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    """Proportional set size; the resident one where the system or the process hides it."""
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return _resident(process)
    except psutil.Error:
        return 0
    return getattr(full, "pss", full.rss)

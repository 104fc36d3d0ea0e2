"""Carrying out tasks, each in a process of its own.

A fresh process has a peak memory of its own, cannot be disturbed by what ran before, and takes
nobody with it when it dies. It is *spawned*, not forked, so that it works on every system and with
GPUs. It draws no bars, leaves Ctrl-C to this process, and ends if this process is killed.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch

from course_utils.arguments import ArgumentError
from course_utils.comparison.cell import Task, failed_rows, one_line, run_cell
from course_utils.comparison.table import Row


@dataclass(frozen=True)
class Outcome:
    """The rows of a cell; ``failed`` if they only say why there are none."""

    task: Task
    rows: list[Row]
    failed: bool


def carry_out(tasks: list[Task], jobs: int) -> Iterator[Outcome]:
    """Run the tasks, at most ``jobs`` at once, and give each outcome as soon as it is there.

    Args:
        tasks: What to do.
        jobs: Number of processes; 0 stays in this one and goes task by task.

    Raises:
        ArgumentError: A task cannot be sent to another process. Nothing has run then.
    """
    if jobs == 0:
        return map(_here, tasks)
    return _elsewhere([(task, _packed(task)) for task in tasks], jobs)


def _here(task: Task) -> Outcome:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _outcome(task, own_process=False)
    finally:
        torch.set_num_threads(threads)


def _outcome(task: Task, *, own_process: bool) -> Outcome:
    try:
        return Outcome(task, run_cell(task, own_process=own_process), failed=False)
    except Exception as error:
        return Outcome(task, failed_rows(task, one_line(error)), failed=True)


def _elsewhere(packed: list[tuple[Task, bytes]], jobs: int) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    waiting = deque(packed)
    running: dict[Connection, tuple[Task, multiprocessing.process.BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task, payload = waiting.popleft()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_child, args=(payload, theirs, _modes()))
                process.start()
                theirs.close()
                running[ours] = (task, process)
            for connection in wait(list(running)):
                yield _received(connection, *running.pop(connection))
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join()


def _received(connection: Connection, task: Task, process: object) -> Outcome:
    with connection:
        try:
            rows, failed = connection.recv()
        except EOFError:
            process.join()
            error = f"its process ended with exit code {process.exitcode}"
            return Outcome(task, failed_rows(task, error), failed=True)
    process.join()
    return Outcome(task, rows, failed)


def _modes() -> tuple[bool, bool, torch.dtype]:
    """PyTorch's settings that change numbers, for the other process to share."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_default_dtype(),
    )


def _child(payload: bytes, connection: Connection, modes: tuple[bool, bool, torch.dtype]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["COURSE_PROGRESS"] = "0"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    deterministic, warn_only, dtype = modes
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
    torch.set_default_dtype(dtype)
    outcome = _outcome(pickle.loads(payload), own_process=True)
    with contextlib.suppress(BrokenPipeError):
        connection.send((outcome.rows, outcome.failed))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _packed(task: Task) -> bytes:
    try:
        payload = pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ArgumentError(
            f"{task.name}: expected recipes of functions that another process can import, or "
            f"jobs=0, got {one_line(error)}"
        ) from None
    main_file = getattr(sys.modules["__main__"], "__file__", "")
    if b"__main__" in payload and not Path(main_file).is_file():
        raise ArgumentError(
            f"{task.name}: expected recipes of functions that another process can import, or "
            "jobs=0, got one that is defined in this notebook or prompt"
        )
    return payload

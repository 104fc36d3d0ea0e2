"""Processes that work through a list, of which any may die or hang without harm to the others.

A pool of the standard library gives up as a whole when one of its processes dies, and waits for
ever when one hangs. Grading needs the opposite, so here each worker has its own pipe and deadline:
whatever happens to it becomes the ``Outcome`` of its task, and a new worker takes its place.

Workers start from a fork server that has imported the grader, and PyTorch with it, once; where
there is none (Windows), each imports it for itself. A worker whose driver is gone ends itself, so
that killing the driver leaves no process behind. Results come back as JSON.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

_GRACE = 5.0
_PRELOADED = ["course_utils.grading.batch", "course_utils.grading.engine"]


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        task: As it was handed in.
        result: What the work returned; ``None`` if it did not.
        failure: Why there is no result: ``"raised ..."``, ``"died ..."`` or ``"hung ..."``.
    """

    task: Any
    result: dict[str, Any] | None
    failure: str = ""


class _Worker:
    """One process, its pipe, and the task it has."""

    def __init__(self, work: Callable[[Any], dict[str, Any]]):
        context = _context()
        self.pipe, theirs = context.Pipe()
        lifeline, self.lifeline = context.Pipe(duplex=False)
        self.process = context.Process(target=_serve, args=(work, theirs, lifeline))
        self.process.start()
        theirs.close()
        lifeline.close()
        self.task: Any = None
        self.deadline = 0.0

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    def give(self, task: Any, patience: float) -> None:
        self.task, self.deadline = task, time.monotonic() + patience
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def outcome(self) -> Outcome | None:
        """What became of the task, if there is one and that is known by now."""
        if self.task is None:
            return None
        alive, answer = self.alive, self._answer()
        if answer is not None:
            task, self.task = self.task, None
            return Outcome(task, answer["result"], answer["failure"])
        if not alive:
            return Outcome(self.task, None, f"died with exit code {self.process.exitcode}")
        if time.monotonic() > self.deadline:
            return Outcome(self.task, None, "hung and was stopped")
        return None

    def _answer(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.pipe.recv_bytes()) if self.pipe.poll() else None
        except (EOFError, OSError, ValueError):
            self.process.kill()
            self.process.join()
            return None

    def stop(self) -> None:
        """End the process: politely, so that it can clear up, then by force."""
        self.lifeline.close()
        self.pipe.close()
        self.process.join(2 * _GRACE)
        if self.alive:
            self.process.kill()
            self.process.join()
        self.process.close()


def run(
    work: Callable[[Any], dict[str, Any]],
    tasks: deque[Any],
    *,
    num_workers: int,
    patience: float,
    begin: Callable[[Any], Any] = lambda task: None,
) -> Iterator[Outcome]:
    """Work through the tasks and yield each outcome the moment it is known.

    Args:
        work: Maps a task to a dict that JSON can hold; a function at the top of a module.
        tasks: Taken from the left; more may be put in while outcomes are taken out.
        num_workers: How many processes at once.
        patience: Seconds after which a worker that is still at its task is stopped.
        begin: Called with a task just before it is handed to a worker.
    """
    crew = [_Worker(work) for _ in range(min(num_workers, len(tasks)))]
    try:
        while True:
            for place, worker in enumerate(crew):
                if worker.task is None and tasks:
                    crew[place] = worker if worker.alive else _replaced(worker, work)
                    task = tasks.popleft()
                    begin(task)
                    crew[place].give(task, patience)
            if not _wait_for_news(crew):
                return
            for place, worker in enumerate(crew):
                outcome = worker.outcome()
                if outcome and worker.task is not None:
                    crew[place] = _replaced(worker, work)
                if outcome:
                    yield outcome
    finally:
        for worker in crew:
            worker.stop()


def _replaced(worker: _Worker, work: Callable[[Any], dict[str, Any]]) -> _Worker:
    worker.stop()
    return _Worker(work)


def _wait_for_news(crew: list[_Worker]) -> bool:
    """Wait until a worker has answered, died or used up its time; false if none has a task."""
    busy = [worker for worker in crew if worker.task is not None]
    if busy:
        handles = [handle for w in busy for handle in (w.pipe, w.process.sentinel)]
        remaining = min(w.deadline for w in busy) - time.monotonic()
        wait(handles, timeout=max(0.0, remaining) + 0.01)
    return bool(busy)


@cache
def _context() -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _serve(work: Callable[[Any], dict[str, Any]], pipe: Connection, lifeline: Connection) -> None:
    """What a worker does: answer tasks until the driver closes the pipe or dies."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_driver, args=(lifeline,), daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        answer = _answer_to(work, task)
        with contextlib.suppress(OSError):
            pipe.send_bytes(answer)


def _answer_to(work: Callable[[Any], dict[str, Any]], task: Any) -> bytes:
    try:
        return json.dumps({"result": work(task), "failure": ""}).encode()
    except Exception as error:
        failure = f"raised {type(error).__name__}: {error}".splitlines()[0][:200]
        return json.dumps({"result": None, "failure": failure}).encode()


def _end_with_driver(lifeline: Connection) -> None:
    """End this process when nobody holds the other end any more."""
    with contextlib.suppress(OSError):
        lifeline.poll(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)

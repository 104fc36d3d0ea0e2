"""Run code that nobody trusts, with as little of the machine as it needs.

Behind one another stand these processes. The *grader* calls ``launch`` and speaks with the code
over two pipes. The *fork server* has imported what the code needs and is copied. A copy of it, the
*warden*, watches what the code's whole tree uses and ends all of it. A copy of the warden takes on
the limits, gives up what is not needed (``enter``), and then runs the code. Where the machine has
*bubblewrap*, that program makes the namespaces it enters. What each kind of isolation promises
stands in ``isolation``; the limits and the watch are the same for all.

    with launch([sys.executable, "program.py"], scratch=folder, readable=[...],
                limits=Limits(), isolation=choose("auto")) as box:
        box.stdin.write(b"question")
        box.stdout.read(100)
    box.cause()                                     # "exit 0", "memory", "signal 11", ...
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from course_utils.grading.forkclient import ENVIRONMENT, ForkServer
from course_utils.grading.isolation import (
    DEVICES,
    WARNINGS,
    SandboxError,
    another_user,
    available,
    bubblewrap_words,
    choose,
    landlock_readable,
)
from course_utils.grading.landlock import guard_process
from course_utils.grading.limits import Limits, send, stop_all

__all__ = ["WARNINGS", "Limits", "SandboxError", "Sandboxed", "available", "choose", "launch"]

PATIENCE = 5.0
"""Seconds a warden may take to answer before it counts as lost."""

START = 120.0
"""Seconds a fork server may take to import everything and make the first warden."""

_PLAIN_SERVER = ForkServer()


class Sandboxed:
    """A command in its sandbox, until the end of the ``with`` block; for one thread at a time.

    Args:
        told: What the warden is told to start.
        isolation: The kind of isolation.
        server: What the warden is a copy of.
        claim: What to close at the end to give the number of its user back.

    Attributes:
        stdin: Binary pipe to the command.
        stdout: Binary pipe from the command.
        isolation: The kind of isolation it runs under.
    """

    def __init__(
        self,
        told: dict[str, Any],
        isolation: str,
        server: ForkServer,
        claim: socket.socket | None,
    ) -> None:
        self.isolation = isolation
        self._scratch, self._claim = Path(told["scratch"]), claim
        self._control, theirs = socket.socketpair()
        self._last: dict[str, Any] = {"cpu_seconds": 0.0, "memory_bytes": 0, "stderr": ""}
        (source, ours_in), (ours_out, sink) = os.pipe(), os.pipe()
        self.stdin: BinaryIO = os.fdopen(ours_in, "wb")
        self.stdout: BinaryIO = os.fdopen(ours_out, "rb")
        self._answers = self._control.makefile("rb")
        try:
            server.fork(told, [theirs.fileno(), source, sink])
        finally:
            theirs.close()
            os.close(source)
            os.close(sink)
        self._warden = self._read(START).get("warden", 0)
        if not self._warden:
            self.kill()
            raise SandboxError(f"no sandbox: {self.cause()}; {server.last_words()}")

    def __enter__(self) -> "Sandboxed":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _ask(self, **request: object) -> dict[str, Any]:
        """Ask the warden; once it has ended, its last word answers every question."""
        if "cause" not in self._last:
            with contextlib.suppress(OSError):  # a warden that has ended left its last word
                self._control.sendall(json.dumps(request).encode() + b"\n")
            self._read(PATIENCE)
        return self._last

    def _read(self, patience: float) -> dict[str, Any]:
        """Read what the warden says next; silence means that it is lost."""
        line = b""
        if select.select([self._control], [], [], patience)[0]:
            with contextlib.suppress(OSError):
                line = self._answers.readline()
        self._last |= json.loads(line or b'{"cause": "its watch was ended"}')
        return self._last

    @property
    def alive(self) -> bool:
        """Whether the command still runs."""
        return not self.cause()

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all processes so far, in seconds."""
        return self._ask(ask="usage")["cpu_seconds"]

    @property
    def memory_bytes(self) -> int:
        """Memory of all processes now, in bytes."""
        return self._ask(ask="usage")["memory_bytes"]

    def budget(self, cpu_seconds: float, wall_seconds: float) -> None:
        """From now on, this much more time, in place of what was left."""
        self._ask(budget=[cpu_seconds, wall_seconds])

    def sweep(self) -> None:
        """End every process that the command has started, and leave the command itself."""
        self._ask(sweep=True)

    def stderr_tail(self) -> str:
        """The last few thousand characters of standard error."""
        return self._ask(ask="usage")["stderr"]

    def cause(self) -> str:
        """Why it ended: "cpu", "memory", "signal 11", "exit 0", ...; empty while it runs."""
        return self._ask(ask="usage").get("cause", "")

    def wait(self, seconds: float) -> str:
        """Give it some time to end by itself; the cause as above."""
        end = time.monotonic() + seconds
        while not (cause := self.cause()) and time.monotonic() < end:
            time.sleep(0.01)
        return cause

    def kill(self) -> None:
        """End every process of the sandbox, wait until none is left, and empty its scratch."""
        if self._control.fileno() < 0:
            return
        self._ask(kill=True)
        for pipe in (self.stdin, self.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        if self._warden:
            _end_warden(self._warden)
            _end_session(self._warden)
        self._answers.close()
        self._control.close()
        if self._claim is not None:
            self._claim.close()
        _empty(self._scratch)


def _end_warden(pid: int) -> None:
    """Wait until a warden has gone; end one that was stopped by code that nothing kept from it."""
    with contextlib.suppress(psutil.Error):
        warden = psutil.Process(pid)
        try:
            warden.wait(PATIENCE)
        except psutil.TimeoutExpired:
            left = stop_all(warden) | {pid}
            send(left, signal.SIGKILL)
            end = time.monotonic() + PATIENCE
            while left and time.monotonic() < end:
                left = {number for number in left if not _gone(number)}
                time.sleep(0.002)


def _gone(pid: int) -> bool:
    """Whether a process is no more; what has become our child is waited for."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not psutil.pid_exists(pid)


def _end_session(session: int) -> None:
    """End what a warden left because it was itself ended; as orphans they are now our children."""
    for process in psutil.Process().children():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == session:
                send(stop_all(process) | {process.pid}, signal.SIGKILL)
                process.wait(PATIENCE)


def _empty(folder: Path) -> None:
    """Remove what a command left, however deep it lies and whatever it forbids.

    The tools of the system walk folders of any depth, and follow no link that they meet.
    """
    if folder.is_symlink():
        return
    with contextlib.suppress(OSError):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK) or any(folder.iterdir()):
            subprocess.run(["chmod", "-R", "u+rwx", "--", str(folder)], capture_output=True)
            left = [f"./{path.name}" for path in folder.iterdir()]
            for start in range(0, len(left), 100):
                words = ["rm", "-r", "-f", "--", *left[start : start + 100]]
                subprocess.run(words, cwd=folder, capture_output=True)


def launch(
    command: list[str],
    *,
    scratch: Path,
    readable: Sequence[Path],
    limits: Limits,
    isolation: str,
    server: ForkServer = _PLAIN_SERVER,
) -> Sandboxed:
    """Start a command, or what a fork server is for, in a sandbox.

    Args:
        command: The program, by its full path, and its arguments; empty to run in a copy of the
            server the function that it was made for.
        scratch: An empty folder: where the command starts and the only place it may write.
        readable: Files and folders it may read besides Python and the system's libraries.
        limits: What it may use.
        isolation: As for ``choose``.
        server: What is copied.

    Returns:
        The running command, a context manager.

    Raises:
        SandboxError: If the isolation is not to be had or the scratch folder is not empty.
    """
    isolation = choose(isolation)
    scratch = scratch.absolute()
    readable = [Path(path).absolute() for path in readable]
    if not scratch.is_dir() or any(scratch.iterdir()):
        raise SandboxError(f"the scratch folder must exist and be empty: {scratch}")
    guard_process()
    uid, claim = another_user(isolation, scratch, readable)
    bubblewrap, landlock = isolation == "bubblewrap", isolation == "landlock"
    file_bytes = int(limits.file_bytes)
    told = {
        "command": command,
        "environment": {**ENVIRONMENT, "HOME": str(scratch), "TMPDIR": str(scratch)},
        "scratch": str(scratch),
        "namespaces": bubblewrap_words(scratch, readable, file_bytes) if bubblewrap else [],
        "limits": asdict(limits),
        "tasks": 2 * limits.processes + (_own_tasks() if uid is None else 0),
        "uid": uid,
        "restrict_calls": isolation != "plain",
        "readable": landlock_readable(readable) if landlock else [],
        "writable": [str(scratch), *DEVICES],
    }
    return Sandboxed(told, isolation, server, claim)


def _own_tasks() -> int:
    """Threads this user already runs, which the kernel's limit on processes counts too."""
    user, tasks = os.getuid(), 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        if process.info["uids"] and process.info["uids"].real == user:
            tasks += process.info["num_threads"] or 1
    return tasks

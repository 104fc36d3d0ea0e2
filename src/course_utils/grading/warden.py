"""The process between the grader and one sandbox: it watches, ends and reaps.

Code that wants to outlive its grading has an old trick: fork, start a new session, let the parent
die. The orphan then belongs to process 1 and nobody remembers where it came from. Linux lets a
process declare itself a *subreaper*: orphans below it become its children. The warden is that
process, one per sandbox, so whatever a submission starts stays below the warden for good.

It is also the watchdog. Several times in a second it adds up what the tree uses
(``limits.measure``) and ends the sandbox when that is too much. And since it holds one end of a
socket to the grader, the death of the grader ends the sandbox too, be it by a signal nobody can
catch. It is not *dumpable*: a process of the same user can neither trace it nor read its memory.

A copy of the fork server, made for one sandbox. Over the socket travel lines of JSON. First comes
``{"warden": pid}``; then ``{"ask": "usage"}``, ``{"budget": [cpu, wall]}``, ``{"sweep": true}`` or
``{"kill": true}`` from the grader, one answer each; and at the end ``{"cause": ...}`` with what was
used.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from enter import enter  # neighbours of this file, without the package
from landlock import call_filter, guard_process
from limits import Limits, Usage, descendants, end_all, measure, send

SWEEP = 0.5
"""Seconds a sweep may take."""

TICK = 0.1
"""Seconds between two looks at the tree."""

MANY_FILES = 5000
"""Files the scratch folder may hold."""

TAIL = 8192
"""Bytes of standard error that are kept."""

_FIRST = """import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv("/bin/cat", ["cat"])"""


class Warden:
    """One sandboxed process and everything below it.

    Args:
        told: What ``sandbox.launch`` decided.
        begin: What the sandboxed process does once it is confined.
        control: The socket to the grader.

    Raises:
        OSError: The namespaces cannot be made.
    """

    def __init__(
        self, told: dict[str, Any], begin: Callable[[], None], control: socket.socket
    ) -> None:
        self.limits, self.control = Limits(**told["limits"]), control
        self.scratch, self.in_memory = Path(told["scratch"]), bool(told["namespaces"])
        self.cause = ""
        self.tail = b""
        self.written = 0
        self.usage = Usage(0.0, 0, 0)
        self.cpu_end = self.limits.cpu_seconds
        self.wall_end = time.monotonic() + self.limits.wall_seconds
        self.status: int | None = None  # of wait, once the process has ended
        self.me = psutil.Process()
        self._send(warden=os.getpid())
        self.holder = _hold(told["namespaces"]) if told["namespaces"] else None
        self.errors, child_errors = os.pipe()
        self.main = self._start(told, begin, child_errors)
        os.close(child_errors)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(null, stream)  # or the grader would never see the end of the pipes

    def _start(self, told: dict[str, Any], begin: Callable[[], None], errors: int) -> int:
        inside = None if self.holder is None else descendants(psutil.Process(self.holder.pid))[-1]
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setpgid(0, 0)
            os.dup2(errors, 2)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            enter(told, None if inside is None else inside.pid)
            os.environ.clear()
            os.environ.update(told["environment"])
            begin()
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(127)

    def run(self) -> None:
        """Watch until the process ends or is ended, clear up, and tell the grader."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as ready:
            ready.register(wake, selectors.EVENT_READ, lambda: os.read(wake, 4096))
            ready.register(self.errors, selectors.EVENT_READ, self._drain)
            ready.register(self.control, selectors.EVENT_READ, self._answer)
            try:
                self._watch(ready)
            finally:
                self._end()

    def _watch(self, ready: selectors.BaseSelector) -> None:
        """Serve what is ready, and look at the tree once in a while, until there is a cause."""
        next_look = 0.0
        self._reap()
        while self.status is None and not self.cause:
            for key, _ in ready.select(TICK):
                if key.data() is False:
                    ready.unregister(key.fileobj)
            self._reap()
            if self.status is None and time.monotonic() >= next_look:
                self._look()
                next_look = time.monotonic() + TICK

    def _look(self) -> None:
        """Compare what the tree uses with what it may use."""
        limits = self.limits
        tree = descendants(self.me)
        self.usage = usage = measure(self.me, tree, limits.memory_bytes)
        over = {
            "memory": usage.memory_bytes > limits.memory_bytes,
            "processes": usage.processes > limits.processes,
            "cpu": usage.cpu_seconds > self.cpu_end,
            "wall": time.monotonic() > self.wall_end,
            "disk": self._disk_is_full(tree),
        }
        self.cause = self.cause or next((name for name, is_over in over.items() if is_over), "")

    def _disk_is_full(self, tree: list[psutil.Process]) -> bool:
        """Whether the scratch folder holds too many bytes, or too many files.

        A scratch folder in memory is seen through the root folder of the processes in it.
        """
        if not self.in_memory:
            size, files = disk_use(self.scratch)
            return size + unnamed_files(tree) > self.limits.file_bytes or files > MANY_FILES
        for process in reversed(tree):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{process.pid}/root").samefile("/"):
                    continue  # bubblewrap itself, which stays outside
                disk = os.statvfs(f"/proc/{process.pid}/root{self.scratch}")
                return disk.f_files - disk.f_ffree > MANY_FILES
        return False

    def _drain(self) -> bool:
        """Read standard error, keep its tail; an end of file ends the watch on it."""
        chunk = os.read(self.errors, 65536)
        self.tail = (self.tail + chunk)[-TAIL:]
        self.written += len(chunk)
        if self.written > self.limits.output_bytes:
            self.cause = self.cause or "output"
        return bool(chunk)

    def _answer(self) -> None:
        """Answer one line of the grader; a closed socket means that the grader is gone."""
        try:
            line = self.control.recv(4096)
            request = json.loads(line) if line else {"kill": True}
        except (OSError, ValueError):
            request = {"kill": True}
        self._reap()
        if "sweep" in request and self.status is None:
            self._sweep()
        if "kill" in request:
            self.cause = self.cause or ("killed" if self.status is None else "")
            return
        self.usage = measure(self.me, descendants(self.me), self.limits.memory_bytes)
        if "budget" in request:
            cpu, wall = request["budget"]
            self.cpu_end = self.usage.cpu_seconds + cpu
            self.wall_end = time.monotonic() + wall
        self._send(stderr=self.tail.decode(errors="replace"))

    def _sweep(self) -> None:
        """End all but the first processes, which stand still meanwhile and make no new ones."""
        first = self._first()
        send(first, signal.SIGSTOP)
        end_all(self.me, self._reap, first, SWEEP)
        send(first, signal.SIGCONT)

    def _first(self) -> set[int]:
        """The process that was begun and those that keep its namespaces, but none that it made."""
        first = {self.main}
        if self.holder is not None:
            above = (psutil.Process(pid) for pid in (self.holder.pid, self.main))
            with contextlib.suppress(psutil.Error):
                first |= {child.pid for process in above for child in process.children()}
            first.add(self.holder.pid)
        return first

    def _send(self, **more: Any) -> None:
        message = {**vars(self.usage), **more}
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps(message).encode() + b"\n")

    def _reap(self) -> None:
        """Wait for every child that has ended; remember how the process itself did."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self.main:
                    self.status = found[1]

    def _end(self) -> None:
        """Stop what is left, so that nothing can fork on, then kill and reap it."""
        end_all(self.me, self._reap)
        self._reap()
        self.usage = measure(self.me, [], self.limits.memory_bytes)
        os.set_blocking(self.errors, False)
        with contextlib.suppress(BlockingIOError):
            while self._drain():
                pass
        self._send(
            cause=self.cause or describe(self.status), stderr=self.tail.decode(errors="replace")
        )


def _hold(words: list[str]) -> subprocess.Popen:
    """Let bubblewrap make namespaces; they last as long as this process keeps the pipe open.

    The program inside only copies its input to its output, and its answer says that all is laid
    out. It is the first process there, which the others cannot end, and as it ignores the end of
    its children, the kernel clears away the orphans it is given. (It is Python that says so and
    not the shell: ``trap '' CHLD`` ignores nothing in dash.)

    Raises:
        OSError: Bubblewrap does not get there.
    """
    with tempfile.TemporaryFile() as rules:
        rules.write(call_filter(os.uname().machine))
        rules.seek(0)
        command = [*words, "--as-pid-1", "--seccomp", str(rules.fileno())]
        command += ["--", sys.executable, "-I", "-S", "-B", "-c", _FIRST]
        holder = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[rules.fileno()],
        )
    os.write(holder.stdin.fileno(), b"\n")
    if os.read(holder.stdout.fileno(), 1) != b"\n":
        raise OSError((holder.stderr.read().decode(errors="replace").splitlines() or ["?"])[-1])
    return holder


def describe(status: int) -> str:
    """How a process ended, from its wait status: "exit 1", "signal 11" or "cpu"."""
    code = os.waitstatus_to_exitcode(status)
    number = -code if code < 0 else code - 128  # bubblewrap reports a signal as 128 + its number
    if number == signal.SIGXCPU:
        return "cpu"
    if 0 < number < 65:
        return f"signal {number}"
    return f"exit {code}"


def disk_use(folder: Path) -> tuple[int, int]:
    """Bytes and files below a folder; counting stops at ``MANY_FILES``."""
    total = count = 0
    todo = [os.fspath(folder)]
    while todo and count <= MANY_FILES:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MANY_FILES:
                    break
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
    return total, count


def unnamed_files(tree: list[psutil.Process]) -> int:
    """Bytes in open files that have no name any more, or never had one (Linux only)."""
    sizes = {}
    for process in tree:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process.pid}/fd") as opened:
            for link in opened:
                with contextlib.suppress(OSError):
                    found = link.stat()
                    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                        sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


def watch(told: dict[str, Any], begin: Callable[[], None], control: socket.socket) -> None:
    """Start one sandbox and stay until it has ended.

    Args:
        told: What ``sandbox.launch`` decided.
        begin: What the sandboxed process does once it is confined.
        control: The socket to the grader.
    """
    guard_process()
    with control:
        try:
            warden = Warden(told, begin, control)
        except OSError as error:
            control.sendall(json.dumps({"cause": f"no sandbox: {error}"}).encode() + b"\n")
        else:
            warden.run()

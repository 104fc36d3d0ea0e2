"""The process between the grader and one sandbox: it watches, ends and reaps.

Code that wants to outlive its grading has an old trick: fork, start a new session, let the parent
die. The orphan then belongs to process 1 and nobody remembers where it came from. Linux lets a
process declare itself a *subreaper*: orphans below it become its children. The warden is that
process, one per sandbox, so whatever a submission starts stays below the warden for good.

It is also the watchdog. Several times in a second it adds up what the tree uses
(``limits.measure``) and ends the sandbox when that is too much. And since it holds one end of a
socket to the grader, the death of the grader ends the sandbox too, be it by a signal nobody can
catch. It is not *dumpable*: a process of the same user can neither trace it nor read its memory.

Started by ``sandbox.launch`` as a program of its own. Over the socket travel lines of JSON:
``{"ask": "usage"}``, ``{"ask": "stderr"}``, ``{"budget": [cpu, wall]}`` or ``{"kill": true}`` from
the grader, one answer each; and at the end ``{"cause": ..., "cpu_seconds": ...}``.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import psutil
from landlock import guard_process  # neighbours of this file, without the package
from limits import Limits, Usage, descendants, end_all, measure

PR_SET_PDEATHSIG = 1
TICK = 0.1  # seconds between two looks at the tree
MANY_FILES = 5000  # in the scratch folder
TAIL = 8192  # bytes of standard error that are kept


class Warden:
    """One sandboxed command and everything below it.

    Args:
        command: What to start.
        environment: Its environment, all of it.
        scratch: The folder it may write, where it starts.
        in_memory: Whether that folder is a file system of its own, whose size is bounded.
        limits: What it may use.
        control: The socket to the grader.
    """

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        scratch: Path,
        in_memory: bool,
        limits: Limits,
        control: socket.socket,
    ) -> None:
        self.limits, self.control = limits, control
        self.scratch, self.in_memory = scratch, in_memory
        self.cause = ""
        self.tail = b""
        self.written = 0
        self.usage = Usage(0.0, 0, 0)
        self.cpu_end = limits.cpu_seconds
        self.wall_end = time.monotonic() + limits.wall_seconds
        self.status: int | None = None  # of wait, once the command has ended
        self.me = psutil.Process()
        self.errors, child_errors = os.pipe()
        self.main = self._start(command, environment, child_errors)
        os.close(child_errors)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(null, stream)  # or the grader would never see the end of the pipes

    def _start(self, command: list[str], environment: dict, errors: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.setpgid(0, 0)
            os.dup2(errors, 2)
            os.chdir(self.scratch)
            os.execve(command[0], command, environment)
        except BaseException as error:
            os.write(2, f"cannot start {command[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def run(self) -> None:
        """Watch until the command ends or is ended, clear up, and tell the grader."""
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
        if "kill" in request:
            self.cause = self.cause or ("killed" if self.status is None else "")
            return
        self.usage = measure(self.me, descendants(self.me), self.limits.memory_bytes)
        if "budget" in request:
            cpu, wall = request["budget"]
            self.cpu_end = self.usage.cpu_seconds + cpu
            self.wall_end = time.monotonic() + wall
        self._send(stderr=self.tail.decode(errors="replace"))

    def _send(self, **more: str) -> None:
        message = {**vars(self.usage), **more}
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps(message).encode() + b"\n")

    def _reap(self) -> None:
        """Wait for every child that has ended; remember how the command itself did."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self.main:
                    self.status = found[1]

    def _end(self) -> None:
        """Stop what is left, so that nothing can fork on, then kill and reap it."""
        end_all(self.me)
        self._reap()
        self.usage = measure(self.me, [], self.limits.memory_bytes)
        os.set_blocking(self.errors, False)
        with contextlib.suppress(BlockingIOError):
            while self._drain():
                pass
        self._send(
            cause=self.cause or describe(self.status), stderr=self.tail.decode(errors="replace")
        )


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


def main() -> None:
    """Read what to start from the first argument and the control socket from the second."""
    guard_process()
    told = json.loads(sys.argv[1])
    control = socket.socket(fileno=int(sys.argv[2]))
    control.set_inheritable(False)
    scratch, limits = Path(told["scratch"]), Limits(**told["limits"])
    command, environment, in_memory = told["command"], told["environment"], told["in_memory"]
    Warden(command, environment, scratch, in_memory, limits, control).run()


if __name__ == "__main__":
    main()

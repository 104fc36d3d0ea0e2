"""The grader's side of the fork server: start it, and ask it for one more sandbox."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_utils.grading.forkserver import HEADER
from course_utils.grading.isolation import HERE, SandboxError

LIBRARIES = tuple(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))
"""Where the packages of this Python are installed."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "USER": "student",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "agg",
    **dict.fromkeys(_THREADS, "1"),
}
"""No secrets, and one thread: a process with more of them can neither be copied nor moved."""


class ForkServer:
    """A process that is copied for each sandbox; started when first needed, and anew if it dies.

    Args:
        path: Folders to import from, before Python's own; removed at the end.
        modules: What it imports before the first copy, by dotted name.
        begin: ``module:function``, what a copy runs once it is confined; empty if each sandbox
            is given a command.
    """

    def __init__(
        self, path: Sequence[Path] = (), modules: Sequence[str] = (), begin: str = ""
    ) -> None:
        self._path, self._modules, self._begin = list(map(str, path)), list(modules), begin
        self._run: _Run | None = None
        self._caches = ""
        self._turn = threading.Lock()

    @property
    def pid(self) -> int:
        """The number of the server's process; 0 if none was started by this one."""
        return self._run.process.pid if self._run and self._run.owner == os.getpid() else 0

    def fork(self, told: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Ask for one more sandbox.

        Args:
            told: What its warden is told.
            descriptors: Its socket to the grader, its standard input and its standard output.

        Raises:
            SandboxError: The server does not start.
        """
        data = json.dumps(told).encode()
        for _ in range(2):
            with self._turn:
                run = self._started()
                try:
                    socket.send_fds(run.socket, [HEADER.pack(len(data))], list(descriptors))
                    run.socket.sendall(data)
                    return
                except OSError:
                    run.process.kill()
                    run.process.wait()
        raise SandboxError(f"the fork server does not start: {self.last_words()}")

    def last_words(self) -> str:
        """The last line it wrote to its standard error."""
        self._run.errors.seek(0)
        lines = self._run.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"

    def _started(self) -> "_Run":
        if self._run is None or self._run.owner != os.getpid():
            self._caches = tempfile.mkdtemp(prefix="course-caches-")
        elif self._run.process.poll() is None:
            return self._run
        else:
            self._run.close()
        remove = [self._caches, *self._path]
        told = {"path": [*self._path, *LIBRARIES], "remove": remove}
        told |= {"modules": self._modules, "begin": self._begin}
        self._run = _Run(json.dumps(told), self._caches)
        weakref.finalize(self, _Run.finish, self._run, remove)
        return self._run


class _Run:
    """One server process, the socket to it, and what it wrote to standard error."""

    def __init__(self, told: str, caches: str) -> None:
        self.owner = os.getpid()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server
        self.socket, theirs = socket.socketpair()
        program = [sys.executable, "-I", "-S", "-B", str(HERE / "forkserver.py"), told]
        with theirs:
            self.process = subprocess.Popen(
                [*program, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=[theirs.fileno()],
                env={**ENVIRONMENT, "TMPDIR": caches, "HOME": caches},
                start_new_session=True,
            )

    def close(self) -> None:
        self.socket.close()
        self.errors.close()

    def finish(self, remove: Sequence[str]) -> None:
        """End the server; sandboxes that were made from it go on."""
        if self.owner != os.getpid():
            return
        self.close()
        self.process.kill()
        self.process.wait()
        for folder in remove:
            shutil.rmtree(folder, ignore_errors=True)

"""The grader's side of the fork server: start it, and ask it for one more sandbox."""

import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_utils.grading.forkserver import HEADER
from course_utils.grading.isolation import HERE, SandboxError

LIBRARIES = tuple(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))
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
        path: Folders to import from, before Python's own.
        modules: What it imports before the first copy, by dotted name.
        begin: ``module:function``, what a copy runs once it is confined; empty if each sandbox
            is given a command.
    """

    def __init__(
        self, path: Sequence[Path] = (), modules: Sequence[str] = (), begin: str = ""
    ) -> None:
        folders = [*map(str, path), *LIBRARIES]
        self._told = json.dumps({"path": folders, "modules": list(modules), "begin": begin})
        self._process: subprocess.Popen | None = None
        self._owner = 0

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
            self._start()
            try:
                socket.send_fds(self._socket, [HEADER.pack(len(data))], list(descriptors))
                self._socket.sendall(data)
                return
            except OSError:
                self.close()
        raise SandboxError(f"the fork server does not start: {self._last_words}")

    def _start(self) -> None:
        if self._owner == os.getpid() and self._process.poll() is None:
            return
        self._owner = os.getpid()
        self._socket, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()
        program = [sys.executable, "-I", "-S", "-B", str(HERE / "forkserver.py"), self._told]
        with theirs:
            self._process = subprocess.Popen(
                [*program, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                env=ENVIRONMENT,
                start_new_session=True,
            )

    @property
    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"

    def close(self) -> None:
        """End it; sandboxes that were made from it go on."""
        if self._process is not None and self._owner == os.getpid():
            self._socket.close()
            self._process.kill()
            self._process.wait()

"""One process that has imported everything, copied for each sandbox.

Importing PyTorch takes longer than grading most answers. So it is imported once, here, by a process
that knows no question, no true value and no seed, and never runs a line of a submission. For each
sandbox it forks: the copy becomes the *warden*, and a copy of that one gives up what it may do and
becomes the student's process. A fork shares the memory and costs milliseconds.

Started by ``sandbox.ForkServer`` as a program of its own, without site packages. Each message on
its socket is a length, a JSON object, and three file descriptors: the socket to the grader, and
the standard input and output of the student's process. It ends when the grader closes the socket.
"""

import importlib
import json
import os
import shutil
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

HEADER = struct.Struct(">I")
"""The length of a request, before it."""

NUM_DESCRIPTORS = 3
"""Open files that come with every request."""


def receive(source: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Read one message and its descriptors; ``None`` at the end."""
    header, descriptors, _, _ = socket.recv_fds(source, HEADER.size, NUM_DESCRIPTORS)
    if len(header) < HEADER.size:
        return None
    missing, parts = HEADER.unpack(header)[0], []
    while missing:  # and not a byte more: what follows may carry descriptors of its own
        parts.append(source.recv(missing))
        if not parts[-1]:
            return None
        missing -= len(parts[-1])
    return json.loads(b"".join(parts)), descriptors


def serve(source: socket.socket, begin: Any) -> None:
    """Fork for each message until the grader closes the socket.

    Args:
        source: The socket to the grader.
        begin: What a sandboxed process runs if it is told no command.
    """
    while (message := receive(source)) is not None:
        told, descriptors = message
        if os.fork() == 0:
            try:
                source.close()
                _become_warden(told, descriptors, begin)
            finally:
                os._exit(1)
        for descriptor in descriptors:
            os.close(descriptor)


def _become_warden(told: dict[str, Any], descriptors: list[int], begin: Any) -> NoReturn:
    from warden import watch

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control, source, sink = descriptors
    os.dup2(source, 0)
    os.dup2(sink, 1)
    os.close(source)
    os.close(sink)
    command = told["command"]
    watch(told, (lambda: os.execv(command[0], command)) if command else begin, _socket(control))
    os._exit(0)


def _socket(descriptor: int) -> socket.socket:
    made = socket.socket(fileno=descriptor)
    made.set_inheritable(False)
    return made


def main() -> None:
    """Import what the first argument names and serve on the socket of the second."""
    told, source = json.loads(sys.argv[1]), _socket(int(sys.argv[2]))
    here = str(Path(__file__).parent)
    sys.path = [here, *told["path"], *[folder for folder in sys.path if folder != here]]
    from landlock import forbid_tracing
    from warden import watch  # noqa: F401 - for the copies

    forbid_tracing()
    sys.path.remove(here)
    sys.argv = [""]
    for name in told["modules"]:
        importlib.import_module(name)
    module, _, function = told["begin"].partition(":")
    begin = getattr(importlib.import_module(module), function) if module else None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    serve(source, begin)
    for folder in told["remove"]:  # also if the grader was ended before it could
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

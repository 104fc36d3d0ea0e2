"""What runs inside the sandbox: the student's cells, and calls of what they define.

Nothing in this file is trusted, because the student's code shares its process. It only makes things
available: the grader on the other side of two pipes sends a cell to be run or a function to be
called, and judges what comes back. Objects that cannot travel stay here and get a number.

    start        the seed, the data of ``given``, and the variable of each answer
    cell         run the text of one cell in the notebook's namespace
    open         end what was started before and fork; the copy hands over one answer and is
                 thrown away after its question
    call         call an object, or a method of it
    close        end the copy; the answer to this is the word of the original that it has ended

Questions run in copies of the process made after the last cell, so what one of them changes or
breaks is unknown to the next. Two files of this package are copied next to the sandbox, this one
and ``wire.py``; in a submission ``from course_utils.grading import check, given`` means the two
functions below.
"""

import contextlib
import inspect
import linecache
import os
import random
import resource
import signal
import site
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course_utils.grading.wire import Channel, decode, encode

# Kept under names of their own, so that a cell that replaces them in ``os`` hurts its calls only.
_fork, _leave, _wait, _kill = os.fork, os._exit, os.waitpid, os.kill

MAX_FILE_BYTES = 2**24
"""Largest file that may be handed in, in bytes."""

_SEED = 0
_MOMENT = 2.0
_LONGEST = 300


@dataclass
class _Desk:
    """What the cells of a submission have been given and have answered."""

    data: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    alone: bool = False


_desk = _Desk()


def given(question_id: str) -> dict[str, Any]:
    """Return the data of a question, drawn anew by each call."""
    if question_id not in _desk.data:
        raise ValueError(f"question_id: expected a question's id, got {question_id!r}")
    return _open(_desk.data[question_id])


def check(question_id: str, answer: Any, *, marks: float | None = None) -> None:
    """Remember an answer; it is judged elsewhere and later."""
    _desk.answers[question_id] = answer


def standing(week: str = "") -> str:
    """No points are known here."""
    return ""


def _open(frame: bytes) -> Any:
    length = int.from_bytes(frame[:4], "big")
    return decode(frame[8 : 8 + length], frame[8 + length :])


def main() -> None:
    """Serve the grader until it closes the pipe."""
    channel = Channel(_moved(0, os.O_RDONLY), _moved(1, os.O_WRONLY))
    site.setquit()
    os.environ.update(HOME=str(Path.cwd()), TMPDIR=str(Path.cwd()), MPLBACKEND="Agg")
    tempfile.tempdir = None  # known from before the copy
    _desk.names.update(__name__="__main__", display=print)
    _Server(channel).serve({"start": _start, "cell": _run_cell, "open": _serve_question})


def _moved(descriptor: int, flags: int) -> int:
    """Keep a pipe under another number and put an empty device in its place."""
    kept = os.dup(descriptor)
    os.dup2(os.open(os.devnull, flags), descriptor)
    return kept


@dataclass
class _Server:
    """Answers requests one by one.

    Attributes:
        channel: The pipes to the grader.
        things: Objects that stay here; a handle is a place in this list.
        number: Of the request that is being answered.
    """

    channel: Channel
    number: int = 0
    things: dict[int, Any] = field(default_factory=dict)

    def serve(self, actions: dict[str, Callable[..., Any]], until: str = "") -> None:
        """Act on requests until the one named; what a dead copy has missed is passed over."""
        while True:
            try:
                tree, tensors = self.channel.receive()
            except EOFError:
                return
            request = decode(tree, tensors, self.things.get)
            if request["op"] == until:
                return
            if request["op"] not in actions:
                continue
            self.number = request["id"]
            try:
                content = actions[request["op"]](self, **request["args"])
            except BaseException as error:
                content = {"error": _describe(error)}
            self.reply(request["id"], **content)

    def reply(self, number: int, **content: Any) -> None:
        """Send a reply, or the error that came of writing it down."""
        try:
            frame = encode({"id": number, **content}, self.hold)
        except BaseException as error:
            frame = encode({"id": number, "error": _describe(error)})
        self.channel.send(frame)

    def hold(self, thing: Any) -> dict[str, Any]:
        """Keep an object and describe it: its number, type, name and signature."""
        place = len(self.things)
        self.things[place] = thing
        return {
            "place": place,
            "callable": callable(thing),
            "type": type(thing).__name__,
            "name": str(getattr(thing, "__name__", type(thing).__name__)),
            "parameters": _parameters(thing),
        }


def _parameters(thing: Any) -> list[tuple[str, int, str | None]] | None:
    """Name, kind and default of each parameter; ``None`` if they cannot be known."""
    try:
        found = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    empty = inspect.Parameter.empty
    return [
        (p.name, int(p.kind), None if p.default is empty else repr(p.default)[:40]) for p in found
    ]


def _plain(value: Any) -> Any:
    """NumPy's scalars as Python's, here and within containers."""
    if isinstance(value, list | tuple):
        return type(value)([_plain(v) for v in value]) if type(value) in (list, tuple) else value
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value if isinstance(value, torch.Tensor) else value.item()
    return value


# Requests


def _start(
    server: _Server, *, data: dict[str, Any], variables: dict[str, str], alone: bool
) -> dict[str, Any]:
    _desk.alone = alone
    _desk.data.update({name: encode(value) for name, value in data.items()})
    _desk.variables.update(variables)
    _settle()
    return {"value": None}


def _settle() -> None:
    """Seed, thread count and dtype are the same for each submission and each question."""
    random.seed(_SEED)
    torch.manual_seed(_SEED)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    np.random.seed(_SEED)  # noqa: NPY002 - a student's code may read the global state


def _run_cell(server: _Server, *, number: int, source: bytes) -> dict[str, Any]:
    name, text = f"<cell {number}>", source.decode()
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec", dont_inherit=True), _desk.names)
    return {"value": None}


def _end_others() -> None:
    """End all processes but this one, at a stroke: only the kernel is faster than what forks on."""
    if _desk.alone:
        with contextlib.suppress(ProcessLookupError):
            _kill(-1, signal.SIGKILL)


def _serve_question(
    server: _Server, *, question: str, is_file: bool, cpu_seconds: int, wall_seconds: float
) -> dict[str, Any]:
    """Fork; the copy hands over the answer to this question and serves calls until it is closed."""
    _end_others()
    copy = _fork_at_last()
    if copy:
        return {"ended": _end_of(copy, time.monotonic() + wall_seconds)}
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        _settle()
        answer = _desk.answers.get(question)
        if answer is None:
            answer = _desk.names.get(_desk.variables.get(question))
        server.reply(server.number, value=_handed_in(answer) if is_file else _plain(answer))
        server.serve({"call": _call}, until="close")
    finally:
        _leave(0)


def _fork_at_last() -> int:
    """Fork; processes that were ended count for a moment among those that are allowed."""
    end = time.monotonic() + _MOMENT
    while True:
        try:
            return _fork()
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _end_of(copy: int, deadline: float) -> str:
    """Wait until the copy ends, or end it at the deadline, with what it has started; say how."""
    end = ""
    while not end and time.monotonic() < deadline:
        pid, status = _wait(copy, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            end = f"exit {code}" if code >= 0 else f"signal {-code}"
        else:
            time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(copy, signal.SIGKILL)
    if not end:
        _wait(copy, 0)
    return {f"signal {signal.SIGXCPU}": "cpu", "": "wall"}.get(end, end)


def _handed_in(answer: Any) -> Any:
    """The bytes of the file that an answer names, or the answer if there is none to read."""
    if not isinstance(answer, str | os.PathLike):
        return answer
    try:
        with Path(answer).open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return os.fspath(answer)


def _call(
    server: _Server, *, thing: Any, method: str, args: list[Any], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Call an object or its method; say too what the call has made of its arguments, if changed."""
    before = encode(args, id)
    function = getattr(thing, method) if method else thing
    value = _plain(function(*args, **kwargs))
    changed = encode(args, id) != before
    return {"value": value, "args": args if changed else None}


def _describe(error: BaseException) -> dict[str, Any]:
    """Type, first line and place of an error in the student's code."""
    try:
        lines = str(error).strip().splitlines()
    except BaseException:
        lines = []
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename.startswith("<cell ")]
    place = {"line": mine[-1].lineno, "where": mine[-1].name, "code": mine[-1].line} if mine else {}
    text = lines[0][:_LONGEST] if lines else ""
    if isinstance(error, SyntaxError):
        text, place = str(error.msg)[:_LONGEST], {"line": error.lineno, "where": "", "code": ""}
    return {"type": type(error).__name__, "text": text, **place}

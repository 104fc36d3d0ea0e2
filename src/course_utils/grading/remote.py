"""A student's functions and objects, used from a process that does not trust them.

``Session`` speaks with ``child.py`` inside a sandbox, one request and one reply at a time. Numbers,
texts, tensors and files come by value. A function becomes a ``RemoteFunction``, which a judge calls
as if it were the student's own; a module or any other object becomes a ``RemoteObject`` whose
methods can be called:

    m(x)    m.inverse(y)    m.state_dict()    m.load_state_dict(weights)

Arguments are passed by value and restored: if the student's code changes a tensor in place, so is
the caller's, and a judge sees it. An error in the student's code is raised here as an error of the
same name. Everything else that can happen (the process ends, is late, or says what it was not
asked for) is ``Lost``, which no judge can take for an answer.
"""

import contextlib
import inspect
import math
import re
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol, runtime_checkable

from torch import Tensor

from course_utils.grading.wire import Channel, WireError, decode, encode

_LONGEST = 200
_GRACE = 2.0


class Lost(BaseException):
    """The student's process gives no answer any more.

    It is no ``Exception``, so that no judge turns it into a verdict.

    Attributes:
        cause: Such as ``wall``, ``memory``, ``signal 11``, ``exit 0`` or ``protocol``.
        entirely: Whether the whole process is gone, not only the copy for one question.
    """

    def __init__(self, cause: str, *, entirely: bool):
        super().__init__(cause)
        self.cause, self.entirely = cause, entirely


class StudentError(Exception):
    """An error in the student's code; raised as a class of the same name.

    Attributes:
        line: Where, within the cell; ``None`` if that is unknown.
    """

    def __init__(self, text: str, line: int | None):
        super().__init__(text)
        self.line = line


@runtime_checkable
class Process(Protocol):
    """What a session needs of a sandbox."""

    stdin: BinaryIO
    stdout: BinaryIO

    def cause(self) -> str:
        """Why the process ended, as far as one can tell from outside."""
        ...

    @property
    def cpu_seconds(self) -> float:
        """Processor time spent so far, measured from outside."""
        ...

    def budget(self, cpu_seconds: float, wall_seconds: float) -> None:
        """Grant processor time and time on the clock from now on."""
        ...

    def sweep(self) -> None:
        """End every process that this one has started."""
        ...

    def kill(self) -> None:
        """End the process and whatever it started."""
        ...


class Session:
    """A conversation with one process.

    Args:
        process: The sandbox that runs ``child.main``.
        cpu_seconds: Processor time for a cell, or for all calls of one question.
        wall_seconds: The same on the clock.

    Attributes:
        cpu_seconds: Processor time of the last call, measured from outside.
    """

    def __init__(self, process: Process, cpu_seconds: float, wall_seconds: float):
        self._process, self._cpu, self._wall = process, cpu_seconds, wall_seconds
        self._channel = Channel(process.stdout.fileno(), process.stdin.fileno())
        self._number = 0
        self._question = 0
        self._deadline = 0.0
        self.cpu_seconds = 0.0

    def start(
        self,
        data: dict[str, Any],
        variables: dict[str, str],
        seconds: float,
        *,
        alone: bool = False,
    ) -> None:
        """Wait for the process to be ready and hand it what cells may ask for.

        Args:
            data: What ``given`` returns, by question.
            variables: The variable under which an answer stands, by question.
            seconds: How long the process may take to begin.
            alone: Whether it sees no processes but those it has started.
        """
        self._deadline = time.monotonic() + seconds
        self._request("start", data=data, variables=variables, alone=alone)

    def run_cell(self, number: int, source: str) -> "StudentError | None":
        """Run one cell and return the error it raised, if any.

        Raises:
            Lost: The process did not survive it.
        """
        self._begin()
        try:
            self._request("cell", number=number, source=source.encode("utf-8"))
        except StudentError as error:
            return error
        return None

    @contextlib.contextmanager
    def question(self, question: str, *, is_file: bool) -> Iterator[Any]:
        """Hand over the answer to a question; it can be used until the block ends.

        Args:
            question: Its id.
            is_file: Whether the answer names a file, whose bytes are wanted.

        Raises:
            StudentError: The answer cannot be sent, because it is too large or too deep.
            Lost: The process, or its copy for this question, did not survive.
        """
        self._process.sweep()  # or what is left of the last one could speak in this one's place
        self._begin()
        self._question = self._number + 1
        seconds = {"cpu_seconds": math.ceil(self._cpu), "wall_seconds": self._wall}
        try:
            reply = self._request("open", question=question, is_file=is_file, **seconds)
        except StudentError:
            self._close()
            raise
        yield reply["value"]
        self._close()

    def _close(self) -> None:
        """End the copy for a question and wait for the word that it has ended."""
        self._send("close", {})
        self._receive(self._question, closing=True)

    def _begin(self) -> None:
        """Give the next step its time; the copy for a question has its own clock, a bit faster."""
        self._deadline = time.monotonic() + self._wall + _GRACE
        self._process.budget(self._cpu + 2 * _GRACE, self._wall + 2 * _GRACE)

    def call(self, place: int, method: str, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call an object of the student's, or its method, and return what it returned.

        Raises:
            StudentError: The student's code raised an error.
            Lost: There is no answer.
        """
        before = self._process.cpu_seconds
        reply = self._request(
            "call", thing=_Place(place), method=method, args=list(args), kwargs=kwargs
        )
        self.cpu_seconds = self._process.cpu_seconds - before
        if reply.get("args") is not None:
            _restore(list(args), reply["args"])
        return reply["value"]

    def _request(self, action: str, **arguments: Any) -> dict[str, Any]:
        self._send(action, arguments)
        return self._receive(self._number)

    def _send(self, action: str, arguments: dict[str, Any]) -> None:
        self._number += 1
        request = {"id": self._number, "op": action, "args": arguments}
        frame = encode(request, lambda thing: thing.place)
        with self._guarded():
            self._channel.send(frame, self._deadline)

    def _receive(self, number: int, *, closing: bool = False) -> dict[str, Any]:
        with self._guarded():
            reply = decode(*self._channel.receive(self._deadline), self._proxy)
            if not isinstance(reply, dict) or type(reply.get("id")) is not int:
                raise WireError("a reply without a number")
            ended = reply["id"] == self._question and isinstance(reply.get("ended"), str)
            if not ended and (closing or reply["id"] != number):
                raise WireError("a reply to another question")
            if not ended and "value" not in reply:
                error = _student_error(reply.get("error"))
        if ended and closing:
            return reply
        if ended:
            raise Lost(_short(reply["ended"], 40), entirely=False)
        if "value" not in reply:
            raise error
        return reply

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn whatever ends the conversation into ``Lost``, and leave no process behind."""
        try:
            yield
        except (EOFError, TimeoutError, WireError) as error:
            cause = {TimeoutError: "wall", WireError: "protocol"}.get(type(error))
            cause = cause or self._cause()
            self._process.kill()
            raise Lost(cause, entirely=True) from None

    def _cause(self) -> str:
        """Why the pipe is closed; a process that only closed it has a moment to end."""
        end = time.monotonic() + _GRACE
        while not (cause := self._process.cause()) and time.monotonic() < end:
            time.sleep(0.01)
        return cause or "protocol"

    def _proxy(self, told: Any) -> "RemoteObject":
        return _proxy_of(self, **told)


class _Place:
    """Stands for an object of the student's in a request."""

    def __init__(self, place: int):
        self.place = place


class RemoteObject(_Place):
    """An object that stays in the student's process; its methods can be called."""

    def __init__(self, session: Session, place: int, name: str):
        super().__init__(place)
        self._session, self.__name__ = session, name

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the last call, in seconds, measured by the operating system."""
        return self._session.cpu_seconds

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "shape":
            raise AttributeError(name)

        def method(*args: Any, **kwargs: Any) -> Any:
            return self._session.call(self.place, name, args, kwargs)

        return method


class RemoteFunction(RemoteObject):
    """An object that can itself be called; ``__signature__`` is that of the student's."""

    def __init__(
        self, session: Session, place: int, name: str, signature: inspect.Signature | None
    ):
        super().__init__(session, place, name)
        self.__signature__ = signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.call(self.place, "", args, kwargs)


def _proxy_of(
    session: Session,
    *,
    place: int,
    callable: bool,
    type: str,
    name: str,
    parameters: list | None,
) -> RemoteObject:
    """Make what stands for an object here, of a class that bears the name of the object's."""
    base = RemoteFunction if callable is True else RemoteObject
    named = _class_named(_identifier(type), base)
    if base is RemoteObject:
        return named(session, int(place), _identifier(name))
    return named(session, int(place), _identifier(name), _signature(parameters))


def _class_named(name: str, base: type[RemoteObject]) -> type[RemoteObject]:
    return type(name, (base,), {})


def _signature(parameters: list | None) -> inspect.Signature | None:
    if parameters is None:
        return None
    kinds = inspect._ParameterKind
    found = []
    for name, kind, default in parameters:
        shown = inspect.Parameter.empty if default is None else _Shown(_short(default, 40))
        found.append(inspect.Parameter(name, kinds(kind), default=shown))
    return inspect.Signature(found)


class _Shown:
    """A default value of which only the text is known."""

    def __init__(self, text: str):
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _identifier(text: str) -> str:
    return re.sub(r"[^\w<>.]", "", text)[:60] or "unnamed"


def _short(text: str, longest: int = _LONGEST) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain if len(plain) <= longest else plain[: longest - 4] + " ..."


def _student_error(told: Any) -> StudentError:
    """Make an error of the student's, with its name, its first line and its place."""
    if not isinstance(told, dict) or not isinstance(told.get("type"), str):
        raise WireError("an error that describes nothing")
    text = _short(str(told.get("text", "")), 120)
    not_written = told["type"] == "NotImplementedError"
    bases = (StudentError, NotImplementedError) if not_written else (StudentError,)
    named = type(_identifier(told["type"]), bases, {"__module__": "builtins"})
    if not isinstance(line := told.get("line"), int):
        return named(text, None)
    code = f": `{_short(str(told['code']), 60)}`" if told.get("code") else ""
    where = f", in {_identifier(str(told['where']))}" if told.get("where") else ""
    return named(f"{text} (line {line}{where}{code})", line)


def _restore(args: Any, changed: Any) -> None:
    """Make the caller's arguments what the call has made of its copies."""
    if isinstance(args, Tensor) and isinstance(changed, Tensor) and not changed.is_meta:
        args.data = changed
    elif isinstance(args, list) and isinstance(changed, list):
        if len(args) != len(changed):
            args[:] = changed
        for old, new in zip(args, changed, strict=True):
            _restore(old, new)

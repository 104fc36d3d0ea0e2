"""Values between the grader and a process it does not trust, over two pipes.

A frame is two lengths, a JSON tree, and the tensors of that tree as safetensors:

    uint32 length | uint32 length | JSON | safetensors

Nothing here can run code: there is no pickle. In the tree, ``null``, numbers, texts and lists stand
for themselves. An object has exactly one entry, whose key says what it stands for: ``tuple``,
``dict`` (a list of pairs), ``tensor`` and ``bytes`` (names within the safetensors), ``shape`` (a
tensor that is sparse, complex or without data: shape and dtype only), ``handle`` (a thing that
stays where it is). The reader believes nothing: lengths, depth, the number of items, dtypes and
names are all checked, and anything unexpected is a ``WireError``.
"""

import json
import os
import select
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

MOST_JSON = 2**20
"""Bytes of the JSON part of a frame."""

MOST_TENSOR_BYTES = 64 * 2**20
"""Bytes of all tensors of a frame."""

MOST_ITEMS = 20_000
"""Values in a frame, nested ones counted."""

MOST_DEPTH = 40
"""Levels of nesting in a frame."""

_HEADER = struct.Struct(">II")
_DTYPES = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64")
_SENDABLE = {getattr(torch, name) for name in (*_DTYPES, "bool")}
_NAMED = {
    name: getattr(torch, name)
    for name in (*_DTYPES, "bool", "uint16", "uint32", "uint64", "complex32", "complex64")
} | {"complex128": torch.complex128}
_NO_BYTES = torch.empty(0, dtype=torch.uint8)


class WireError(Exception):
    """What came is no frame, or what was to be sent does not fit into one."""


def encode(value: Any, handle: Callable[[Any], Any] | None = None) -> bytes:
    """Return a frame.

    Args:
        value: Numbers, texts, bytes, tensors, and lists, tuples and dicts of them.
        handle: Called with anything else; returns the description that travels in its place.

    Raises:
        WireError: It is too large or too deep, or holds something else and there is no ``handle``.
    """
    writer = _Writer(handle)
    try:
        tree = json.dumps(writer.tree(value, 0)).encode("ascii")
    except (RecursionError, ValueError) as error:
        raise WireError(f"cannot be written as JSON: {type(error).__name__}") from None
    tensors = safetensors.torch.save(writer.tensors) if writer.tensors else b""
    if len(tree) > MOST_JSON or len(tensors) > MOST_TENSOR_BYTES:
        raise WireError(f"{len(tree)} and {len(tensors)} bytes are more than a frame may hold")
    return _HEADER.pack(len(tree), len(tensors)) + tree + tensors


@dataclass
class _Writer:
    """Collects the tensors of a tree on the way down and counts its items."""

    handle: Callable[[Any], Any] | None
    items: int = 0

    def __post_init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.bytes = 0

    def tree(self, value: Any, depth: int) -> Any:
        self.items += 1
        if self.items > MOST_ITEMS or depth > MOST_DEPTH:
            raise WireError(f"more than {MOST_ITEMS} items or {MOST_DEPTH} levels")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if abs(value) < 2**63 else float(f"{'-' * (value < 0)}inf")
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, bytes):
            data = torch.frombuffer(bytearray(value), dtype=torch.uint8) if value else _NO_BYTES
            return {"bytes": self._keep(data)}
        if isinstance(value, Tensor):
            return self._tensor(value.detach())
        return self._container(value, depth)

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, list):
            return [self.tree(item, depth + 1) for item in value]
        if isinstance(value, tuple):
            return {"tuple": [self.tree(item, depth + 1) for item in value]}
        if isinstance(value, dict) and all(isinstance(key, str | int) for key in value):
            return {"dict": [[key, self.tree(item, depth + 1)] for key, item in value.items()]}
        if self.handle is None:
            raise WireError(f"a value of type {type(value).__name__} cannot travel")
        return {"handle": self.tree(self.handle(value), depth + 1)}

    def _tensor(self, value: Tensor) -> dict[str, Any]:
        plain = value.layout == torch.strided and not value.is_meta and not value.is_quantized
        if plain and value.dtype in _SENDABLE:
            return {"tensor": self._keep(value.as_subclass(Tensor))}
        return {"shape": [list(value.shape), str(value.dtype).removeprefix("torch.")]}

    def _keep(self, value: Tensor) -> str:
        self.bytes += value.numel() * value.element_size()
        if self.bytes > MOST_TENSOR_BYTES:
            raise WireError(f"tensors of more than {MOST_TENSOR_BYTES} bytes")
        name = f"t{len(self.tensors)}"
        self.tensors[name] = value.cpu().clone(memory_format=torch.contiguous_format)
        return name


def decode(tree: bytes, tensors: bytes, handle: Callable[[Any], Any] | None = None) -> Any:
    """Return the value of a frame's two parts.

    Args:
        tree: The JSON.
        tensors: The safetensors; may be empty.
        handle: Called with the description of each handle; returns what stands for it here.

    Raises:
        WireError: The parts are not what ``encode`` writes.
    """
    try:
        reader = _Reader(_load(tensors), handle)
        return reader.value(json.loads(tree), 0)
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"not a frame: {type(error).__name__}") from None


def _load(data: bytes) -> dict[str, Tensor]:
    if not data:
        return {}
    if len(data) < 8 or int.from_bytes(data[:8], "little") > MOST_JSON:
        raise WireError("tensors without a header of a fair length")
    tensors = safetensors.torch.load(data)
    if any(value.dtype not in _SENDABLE for value in tensors.values()):
        raise WireError("a tensor of a dtype that does not travel")
    # A byte of a truth value is 0 or 1 only if somebody makes it so.
    return {
        name: value.view(torch.uint8) != 0 if value.dtype == torch.bool else value
        for name, value in tensors.items()
    }


@dataclass
class _Reader:
    """Builds values from a tree, and counts its items."""

    tensors: dict[str, Tensor]
    handle: Callable[[Any], Any] | None
    items: int = 0

    def value(self, node: Any, depth: int) -> Any:
        self.items += 1
        if self.items > MOST_ITEMS or depth > MOST_DEPTH:
            raise WireError(f"more than {MOST_ITEMS} items or {MOST_DEPTH} levels")
        if isinstance(node, str):
            return node.encode("utf-8", "replace").decode("utf-8")
        if isinstance(node, int) and abs(node) >= 2**63:
            raise WireError("a whole number of more than 64 bits")
        if isinstance(node, list):
            return [self.value(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1:
            raise WireError("an object with other than one entry")
        [(key, content)] = node.items()
        return self._object(key, content, depth)

    def _object(self, key: str, content: Any, depth: int) -> Any:
        if key == "tuple":
            return tuple(self.value(item, depth + 1) for item in _a(list, content))
        if key == "dict":
            return {self._key(k): self.value(v, depth + 1) for k, v in _a(list, content)}
        if key == "tensor":
            return self.tensors.pop(_a(str, content))
        if key == "bytes":
            return self.tensors.pop(_a(str, content)).to(torch.uint8).numpy().tobytes()
        if key == "shape":
            shape, dtype = content
            sizes = [_a(int, size) for size in _a(list, shape)]
            return torch.empty(sizes, dtype=_NAMED[dtype], device="meta")
        if key == "handle" and self.handle is not None:
            return self.handle(self.value(content, depth + 1))
        raise WireError("an object of an unknown kind")

    def _key(self, key: Any) -> str | int:
        return self.value(key if isinstance(key, int) else _a(str, key), MOST_DEPTH)


def _a(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise WireError(f"expected a {kind.__name__}, got a {type(value).__name__}")
    return value


class Channel:
    """Frames over a pair of pipes, with a deadline for each.

    Args:
        source: File descriptor to read from.
        sink: File descriptor to write to.
    """

    def __init__(self, source: int, sink: int):
        self._source, self._sink = source, sink
        os.set_blocking(sink, False)

    def send(self, frame: bytes, deadline: float | None = None) -> None:
        """Write a frame.

        Args:
            frame: What ``encode`` returned.
            deadline: When to give up, on the clock of ``time.monotonic``.

        Raises:
            EOFError: Nobody reads any more.
            TimeoutError: The deadline passed.
        """
        view = memoryview(frame)
        while view:
            _wait(self._sink, select.POLLOUT, deadline)
            try:
                view = view[os.write(self._sink, view[:65536]) :]
            except BlockingIOError:
                continue
            except OSError:
                raise EOFError("nobody reads the pipe") from None

    def receive(self, deadline: float | None = None) -> tuple[bytes, bytes]:
        """Read one frame and return its two parts.

        Raises:
            EOFError: The other side has closed the pipe.
            TimeoutError: The deadline passed.
            WireError: The lengths are too large.
        """
        lengths = _HEADER.unpack(self._read(_HEADER.size, deadline))
        if lengths[0] > MOST_JSON or lengths[1] > MOST_TENSOR_BYTES + MOST_JSON:
            raise WireError(f"a frame of {lengths[0]} and {lengths[1]} bytes is too long")
        tree, tensors = (self._read(length, deadline) for length in lengths)
        return tree, tensors

    def _read(self, count: int, deadline: float | None) -> bytes:
        parts: list[bytes] = []
        missing = count
        while missing:
            _wait(self._source, select.POLLIN, deadline)
            part = os.read(self._source, min(missing, 2**20))
            if not part:
                raise EOFError("the pipe is closed")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


def _wait(descriptor: int, event: int, deadline: float | None) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the deadline passed")
        if poll.poll(None if left is None else 1000 * left + 1):
            return

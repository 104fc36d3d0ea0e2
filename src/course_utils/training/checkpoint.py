"""Stopping a run and going on as if nothing had happened.

A checkpoint file is a line naming the format, the SHA-256 of the body, and the body, which
``torch.save`` wrote and ``torch.load(weights_only=True)`` reads, so that opening a stranger's file
runs no code. A file is replaced whole or not at all: the new one is written beside the old one,
forced to disk, and renamed over it.
"""

import contextlib
import hashlib
import io
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MAGIC = b"course_utils checkpoint 1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, read or used; no file was harmed."""


def write_checkpoint(path: Path, payload: dict[str, Any]) -> None:
    """Replace the file at ``path`` by one holding ``payload``, whole or not at all.

    Args:
        path: Where the checkpoint goes; its folder has to exist.
        payload: Tensors, numbers, strings, and dicts and lists of them.

    Raises:
        CheckpointError: The disk is full, the folder is missing or closed to us, and so on. What
            stood at ``path`` before is untouched.
    """
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    body = buffer.getbuffer()
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.writelines((_MAGIC, hashlib.sha256(body).digest(), body))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"checkpoint: cannot write '{path}': {error.strerror or error}; "
            "what was saved before is untouched"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Force the renaming itself to disk, where the system lets a folder be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what ``write_checkpoint`` stored, its tensors on the CPU, or ``None`` without a file.

    Raises:
        CheckpointError: The file cannot be read, is damaged, or is not one of ours.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(
            f"checkpoint: cannot read '{path}': {error.strerror or error}"
        ) from None
    head, rest = content[: len(_MAGIC)], content[len(_MAGIC) :]
    if not _MAGIC.startswith(head):
        raise CheckpointError(f"checkpoint: '{path}' is another kind of file; choose another name")
    digest, body = rest[:_DIGEST_SIZE], rest[_DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError(
            f"checkpoint: '{path}' is damaged or cut short; delete it to start over"
        )
    try:
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError):
        raise CheckpointError(
            f"checkpoint: '{path}' holds more than tensors and numbers, so it is not opened"
        ) from None


def check_same_run(path: Path, saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuse a checkpoint whose run differs from the current one, naming the first difference.

    Raises:
        CheckpointError: Going on would not give what an undisturbed run gives.
    """
    for name, value in current.items():
        if saved.get(name) != value:
            raise CheckpointError(
                f"checkpoint: '{path}' is of another run: {name} was {saved.get(name)}, "
                f"is {value}; choose another name"
            )


def fingerprint(tensors: tuple[Tensor, ...]) -> str:
    """Return a short hash of the tensors' shapes, types and values."""
    digest = hashlib.sha256()
    for x in tensors:
        digest.update(f"{tuple(x.shape)} {x.dtype}".encode())
        digest.update(x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


class RandomStreams:
    """PyTorch's own random streams that a model may draw from on one device.

    Dropout and the like take no generator: they draw from a global stream of their device. Training
    borrows these streams, so that its result depends on its own seed alone and its draws disturb
    nobody else's.
    """

    def __init__(self, device: torch.device) -> None:
        """Collect the CPU's stream and, on a GPU, that of the device."""
        self._generators = [torch.default_generator]
        if device.type == "cuda":
            torch.cuda.init()
            index = torch.cuda.current_device() if device.index is None else device.index
            self._generators.append(torch.cuda.default_generators[index])

    def get_state(self) -> list[Tensor]:
        """Return the state of each stream."""
        return [generator.get_state() for generator in self._generators]

    def set_state(self, states: list[Tensor]) -> None:
        """Put each stream where ``get_state`` found it."""
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)

    @contextlib.contextmanager
    def borrowed(self, seed: int | None = None) -> Iterator[None]:
        """Restore the streams afterwards; with a seed, start them there."""
        before = self.get_state()
        if seed is not None:
            for generator in self._generators:
                generator.manual_seed(seed)
        try:
            yield
        finally:
            self.set_state(before)


@contextlib.contextmanager
def held_interrupt() -> Iterator[threading.Event]:
    """Hold the first Ctrl-C back: the event it sets is looked at when a step is complete.

    It is raised on leaving. A second Ctrl-C interrupts at once. Python delivers signals to the main
    thread only, so elsewhere this does nothing.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def hold(signum: int, frame: Any) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    previous = signal.signal(signal.SIGINT, hold)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, previous)
    if interrupted.is_set():
        raise KeyboardInterrupt

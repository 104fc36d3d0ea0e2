"""What a model costs: parameters, calls of its network, seconds, memory.

Seconds are processor seconds of this process (``time.process_time``), which neighbours on the same
machine do not lengthen; every cell runs on one thread, so they are also its time on an idle core.
On a GPU the processor only waits, and the clock is that on the wall, read when the device has
finished.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.arguments import ArgumentError


class Stopwatch:
    """Seconds since it was made, on the clock of the module's docstring."""

    def __init__(self, device: torch.device) -> None:
        """Start."""
        self.device = device
        self._start = self._now()

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return self._now() - self._start

    def _now(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


class EvaluationCount:
    """Counts how often a network is evaluated, and on how many examples.

    Only outermost calls count: a network that calls its layers is evaluated once. A model that
    works on its parameters without calling a module is not seen.

    Attributes:
        calls: Number of outermost calls.
        examples: Their batch sizes added up, that of the first tensor argument with an axis.
    """

    def __init__(self) -> None:
        """Begin at nothing."""
        self.calls = 0
        self.examples = 0
        self._depth = 0

    @contextlib.contextmanager
    def watching(self, model: Any, network: str | None) -> Iterator[None]:
        """Count the calls of ``model``'s part ``network``, or of all its parts, in this block."""
        handles = []
        for module in _watched(model, network):
            handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            handles.append(module.register_forward_hook(self._leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if self._depth == 0:
            self.calls += 1
            sizes = (len(a) for a in (*args, *kwargs.values()) if isinstance(a, Tensor) and a.ndim)
            self.examples += next(sizes, 0)
        self._depth += 1

    def _leave(self, module: nn.Module, args: tuple, output: Any) -> None:
        self._depth -= 1


def _watched(model: Any, network: str | None) -> list[nn.Module]:
    if network is None:
        return list(model.modules()) if isinstance(model, nn.Module) else []
    part = model
    for name in network.split("."):
        part = getattr(part, name, None)
    if not isinstance(part, nn.Module):
        raise ArgumentError(f"network: expected the name of a module, got {network!r}")
    return [part]


def num_parameters(model: Any) -> int | None:
    """Number of trainable parameters, each counted once; ``None`` if it is not a module."""
    if not isinstance(model, nn.Module):
        return None
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def peak_memory(device: torch.device) -> int | None:
    """Largest memory held so far, in bytes: of the GPU's tensors, or of this process.

    For a process on the CPU it contains Python and PyTorch themselves, some hundred MiB, which the
    truth's own row shows. Linux counts into ``getrusage`` of a fresh process what the process that
    started it had held, so there the kernel's own high-water mark is read. ``None`` where the
    system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

"""Where a chapter runs and how much it may spend: device, seed, determinism, compute budget.

Every chapter begins with ``run = runtime.start(seed=0)``. The same notebook serves a laptop and a
GPU: it writes ``run.budget.pick(cpu=400, gpu=5000)`` where a laptop has to do with less, and two
environment variables choose for it without an edit, ``COURSE_DEVICE`` (such as ``cuda:1``) and
``COURSE_BUDGET`` (``cpu`` or ``gpu``).
"""

import os
import random
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch

from course_utils.arguments import ArgumentError, check_choice, check_int

T = TypeVar("T")
"""Whatever ``Budget.pick`` chooses from."""

PROFILES = ("cpu", "gpu")
"""Names of the two budgets."""


@dataclass(frozen=True)
class Budget:
    """How much computation a chapter may spend.

    Attributes:
        profile: ``"cpu"``, what the published pages use (two slow cores), or ``"gpu"``.
    """

    profile: Literal["cpu", "gpu"]

    def pick(self, *, cpu: T, gpu: T) -> T:
        """Return the value meant for this budget, as in ``budget.pick(cpu=400, gpu=5000)``."""
        return cpu if self.profile == "cpu" else gpu


@dataclass(frozen=True)
class Run:
    """What ``start`` settled for one notebook.

    Attributes:
        device: Where tensors live.
        budget: How much computation to spend.
        generator: The notebook's source of randomness, on ``device``.
        seed: The seed of that generator.
    """

    device: torch.device
    budget: Budget
    generator: torch.Generator
    seed: int


def start(seed: int = 0) -> Run:
    """Settle device, budget, seed and determinism, and print them in one line.

    On the CPU a single thread is used, because sums over two threads round differently and the
    pages promise the same digits twice. Operations that have no deterministic form raise an error
    on the CPU; on a GPU, where some have none, they warn and run.

    Args:
        seed: Any whole number from 0 to 2^32 - 1.

    Returns:
        The settled ``Run``.

    Raises:
        ArgumentError: The seed, ``COURSE_DEVICE`` or ``COURSE_BUDGET`` cannot be used.
    """
    device = pick_device()
    on_gpu = device.type == "cuda"
    chosen = budget("gpu" if on_gpu else "cpu")
    if on_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    else:
        torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=on_gpu)
    torch.backends.cudnn.benchmark = False
    generator = seed_everything(seed, device=device)
    version = torch.__version__.split("+")[0]
    print(f"device {device}, budget {chosen.profile}, seed {seed}, torch {version}")
    return Run(device=device, budget=chosen, generator=generator, seed=seed)


def seed_everything(seed: int, *, device: str | torch.device = "cpu") -> torch.Generator:
    """Seed Python, NumPy and PyTorch, and return a freshly seeded generator.

    Args:
        seed: Any whole number from 0 to 2^32 - 1, the range NumPy accepts.
        device: Where the returned generator lives.

    Returns:
        A generator to hand to ``sample`` and ``fit``; course code draws from nothing else.

    Raises:
        ArgumentError: The seed is not such a number.
    """
    check_int("seed", seed, low=0, high=2**32 - 1)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries beside ours still read the global state
    torch.manual_seed(seed)
    return torch.Generator(device=device).manual_seed(seed)


def pick_device(prefer: str | None = None) -> torch.device:
    """Return the device to use: ``COURSE_DEVICE``, else ``prefer``, else a GPU, else the CPU.

    Args:
        prefer: A device name such as ``"cpu"`` or ``"cuda:1"``; ``None`` takes what there is.

    Raises:
        ArgumentError: The name is unknown, or this machine has no such device.
    """
    override = os.environ.get("COURSE_DEVICE")
    source, name = ("COURSE_DEVICE", override) if override else ("prefer", prefer)
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ArgumentError(f"{source}: expected 'cpu', 'cuda' or 'cuda:N', got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ArgumentError(
            f"{source}: expected a device of this machine ({count} CUDA devices), got {name!r}"
        )
    return device


def budget(profile: str | None = None) -> Budget:
    """Return the budget: ``COURSE_BUDGET``, else ``profile``, else what the device affords.

    Args:
        profile: ``"cpu"``, ``"gpu"``, or ``None`` for the profile of ``pick_device()``.

    Raises:
        ArgumentError: The profile is unknown.
    """
    override = os.environ.get("COURSE_BUDGET")
    source, name = ("COURSE_BUDGET", override) if override else ("profile", profile)
    if name is None:
        name = "gpu" if pick_device().type == "cuda" else "cpu"
    return Budget(check_choice(source, name, PROFILES))


def show_progress(wanted: bool | None = None) -> bool:
    """Whether long work draws a bar: as asked, else when a person is likely to be watching.

    Args:
        wanted: ``True`` or ``False`` decides; ``None`` draws one unless ``CI`` is set or
            ``COURSE_PROGRESS`` is 0.
    """
    if wanted is not None:
        return wanted
    return not os.environ.get("CI") and os.environ.get("COURSE_PROGRESS") != "0"

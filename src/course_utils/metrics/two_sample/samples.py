"""The samples that a comparison accepts, and their points in random order."""

import torch
from jaxtyping import Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_tensor


def check_samples(x: Tensor, y: Tensor, smallest: int) -> None:
    """Refuse anything but two samples (points, dim) of at least ``smallest`` points each."""
    check_tensor("x", x, shape=("n", "dim"), dtype="float")
    check_tensor("y", y, shape=("m", x.shape[1]), dtype="float", device=x.device)
    for name, sample in (("x", x), ("y", y)):
        if len(sample) < smallest:
            raise ArgumentError(f"{name}: expected at least {smallest} points, got {len(sample)}")


def shuffled(
    count: int, device: torch.device, generator: torch.Generator | None
) -> Int[Tensor, " count"]:
    """The numbers 0 … count − 1 in random order, on ``device``."""
    return torch.rand(count, generator=generator, dtype=torch.float64, device=device).argsort()

"""How a network reads a discrete variable: as a code with one unit per value, or as a number."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

Encoding = Literal["one-hot", "scaled"]
"""How a variable enters a network."""


def num_features(num_levels: int, encoding: Encoding) -> int:
    """Return how many input units one variable takes."""
    return num_levels if encoding == "one-hot" else 1


def encode(
    x: Int[Tensor, "*batch"], num_levels: int, encoding: Encoding, dtype: torch.dtype
) -> Float[Tensor, "*batch features"]:
    """Return the input units of each variable.

    Args:
        x: Values 0 .. num_levels - 1.
        num_levels: K, the number of values.
        encoding: ``"one-hot"``, K units of which one is 1; or ``"scaled"``, one number, which
            keeps the order of the values: 2x / (K - 1) - 1, and x itself if K = 2.
        dtype: Floating type of the units.
    """
    if encoding == "one-hot":
        return functional.one_hot(x, num_levels).to(dtype)
    number = x.to(dtype)[..., None]
    return number if num_levels == 2 else 2 * number / (num_levels - 1) - 1

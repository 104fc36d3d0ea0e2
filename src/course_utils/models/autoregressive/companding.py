r"""The mu-law: fine steps for quiet sounds, coarse ones for loud sounds [itu1988pulse].

A signal in [-1, 1] is bent before it is cut into K equal steps,

    F(x) = sign(x) log(1 + mu |x|) / log(1 + mu),      F^{-1}(y) = sign(y) ((1 + mu)^|y| - 1) / mu,

so that near zero a step is mu / log(1 + mu) times finer than without (46 times for mu = 255).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_int, check_number, check_tensor


def compress(x: Float[Tensor, "*batch"], mu: float = 255.0) -> Float[Tensor, "*batch"]:
    """Return F(x) = sign(x) log(1 + mu |x|) / log(1 + mu), which maps [-1, 1] onto itself.

    Args:
        x: Signal in [-1, 1].
        mu: How strongly to bend, above 0.

    Raises:
        ArgumentError: ``x`` is not finite or ``mu`` is not above 0.

    Source:
        [itu1988pulse; oord2016wavenet].
    """
    check_number("mu", mu, low=0, open_low=True)
    return x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu)


def expand(y: Float[Tensor, "*batch"], mu: float = 255.0) -> Float[Tensor, "*batch"]:
    """Return F^{-1}(y) = sign(y) ((1 + mu)^|y| - 1) / mu, the inverse of ``compress``.

    Raises:
        ArgumentError: ``mu`` is not above 0.
    """
    check_number("mu", mu, low=0, open_low=True)
    return y.sign() * torch.expm1(y.abs() * math.log1p(mu)) / mu


def quantise(
    x: Float[Tensor, "*batch"], num_levels: int = 256, mu: float = 255.0
) -> Int[Tensor, "*batch"]:
    """Return the level 0 .. K - 1 of each value: F(x) cut into K steps of equal width 2 / K.

    Args:
        x: Signal; values outside [-1, 1] get the first or the last level.
        num_levels: K >= 2.
        mu: How strongly to bend, above 0.

    Raises:
        ArgumentError: ``x`` has NaN or infinite values, or a number is out of range.
    """
    check_tensor("x", x, dtype="float")
    check_int("num_levels", num_levels, low=2)
    bent = compress(x.clamp(-1, 1), mu)
    return ((bent + 1) / 2 * num_levels).floor().long().clamp(0, num_levels - 1)


def edges(
    num_levels: int = 256, mu: float = 255.0, *, dtype: torch.dtype = torch.float32
) -> Float[Tensor, " edges"]:
    """Return the K + 1 edges of the levels, from -1 to 1; level k lies between edges k and k + 1.

    A probability q(k) divided by the width of level k is a density, so that a model of levels can
    be compared with one of real numbers.

    Raises:
        ArgumentError: A number is out of range.
    """
    check_int("num_levels", num_levels, low=2)
    return expand(torch.linspace(-1, 1, num_levels + 1, dtype=dtype), mu)


def dequantise(
    levels: Int[Tensor, "*batch"], num_levels: int = 256, mu: float = 255.0
) -> Float[Tensor, "*batch"]:
    """Return the value in the middle of each level, F^{-1}((2 k + 1) / K - 1).

    Args:
        levels: Levels 0 .. K - 1.
        num_levels: K >= 2.
        mu: How strongly the levels were bent, above 0.

    Raises:
        ArgumentError: A level is not in 0 .. K - 1, or a number is out of range.

    Accuracy:
        ``quantise`` of it is the level again; it differs from the signal by less than the width
        of the level.
    """
    check_int("num_levels", num_levels, low=2)
    check_tensor("levels", levels, dtype="integer", low=0, high=num_levels - 1)
    return expand((2 * levels.float() + 1) / num_levels - 1, mu)

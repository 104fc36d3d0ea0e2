r"""Quantisers of one Gaussian variable, with nothing left to chance.

Sorted codes c_1 < ... < c_K cut the line at the midpoints t_k = (c_k + c_{k+1}) / 2. With phi and
Phi the density and the distribution function of N(0, 1), cell k holds

    P_k = Phi(t_k) - Phi(t_{k-1}),   M_k = \int_cell x phi(x) dx = phi(t_{k-1}) - phi(t_k),

so the distortion is a finite sum, D = 1 - \sum_k (2 c_k M_k - c_k^2 P_k). Codes are best when each
is the mean of its cell, c_k = M_k / P_k; repeating that is Lloyd's algorithm, and its fixed point
is the Lloyd-Max quantiser [lloyd1982least] [max1960quantizing].
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor

_TOLERANCE = 1e-13
_MOST_STEPS = 200_000
_LARGEST = 64


class Cells(NamedTuple):
    """The cells of a scalar quantiser of N(0, 1).

    Attributes:
        probs: P_k.
        moments: M_k, so that M_k / P_k is the mean of the cell.
    """

    probs: Float[Tensor, " codes"]
    moments: Float[Tensor, " codes"]


def cells(codes: Float[Tensor, " codes"]) -> Cells:
    """Return probability and first moment of each cell under N(0, 1).

    Args:
        codes: c_1 < ... < c_K.

    Raises:
        ArgumentError: The codes do not increase.

    Accuracy:
        Exact.
    """
    check_tensor("codes", codes, shape=("codes",), dtype="float")
    if bool((codes.diff() <= 0).any()):
        raise ArgumentError("codes: expected increasing numbers, got some that are not")
    cuts = (codes[1:] + codes[:-1]) / 2
    below = functional.pad(torch.special.ndtr(cuts), (1, 1))
    below[-1] = 1
    density = functional.pad((-cuts.square() / 2).exp() / math.sqrt(2 * math.pi), (1, 1))
    return Cells(below.diff(), -density.diff())


def distortion(codes: Float[Tensor, " codes"]) -> Float[Tensor, ""]:
    """Mean squared error E[(x - nearest code)^2] for x ~ N(0, 1).

    Args:
        codes: c_1 < ... < c_K.

    Returns:
        D in units of the variance; for N(mu, s^2), shift and scale the codes and multiply by s^2.

    Raises:
        ArgumentError: The codes do not increase.

    Accuracy:
        Exact.
    """
    probs, moments = cells(codes)
    return 1 - (2 * codes * moments - codes.square() * probs).sum()


def lloyd_max(num_codes: int) -> Float[Tensor, " codes"]:
    """Return the K codes of least distortion for N(0, 1), by Lloyd's fixed-point iteration.

    Args:
        num_codes: K, from 1 to 64.

    Returns:
        Codes in increasing order, float64. The Gaussian is log-concave, so the fixed point is
        unique and best.

    Raises:
        ArgumentError: ``num_codes`` is out of range.

    Accuracy:
        Codes to about 1e-9.

    Source:
        [lloyd1982least], [max1960quantizing] table I.
    """
    check_int("num_codes", num_codes, low=1, high=_LARGEST)
    middle = (torch.arange(num_codes, dtype=torch.float64) + 0.5) / num_codes
    codes = math.sqrt(3) * torch.special.ndtri(middle)
    for _ in range(_MOST_STEPS):
        probs, moments = cells(codes)
        better = moments / probs
        moved = (better - codes).abs().max()
        codes = better
        if moved < _TOLERANCE:
            break
    return codes


def best_uniform(num_codes: int) -> Float[Tensor, " codes"]:
    """Return the K evenly spaced codes of least distortion for N(0, 1).

    Args:
        num_codes: K, from 2 to 64.

    Returns:
        Codes (k - (K - 1) / 2) times the best step, float64, found by golden section.

    Raises:
        ArgumentError: ``num_codes`` is out of range.

    Accuracy:
        The step to about 1e-8, the distortion to rounding.

    Source:
        [max1960quantizing] table II.
    """
    check_int("num_codes", num_codes, low=2, high=_LARGEST)
    places = torch.arange(num_codes, dtype=torch.float64) - (num_codes - 1) / 2
    low, high = 1e-3, 4.0
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if distortion(left * places) < distortion(right * places):
            high = right
        else:
            low = left
    return (low + high) / 2 * places


def shannon_distortion(bits: float, variance: float = 1.0) -> float:
    """Least mean squared error of a Gaussian source at R bits per variable, s^2 2^(-2R).

    Args:
        bits: R >= 0.
        variance: s^2 > 0.

    Accuracy:
        Exact; no code of any length does better, and long ones come as close as one likes.

    Source:
        [cover2006elements] theorem 10.3.2.
    """
    check_number("bits", bits, low=0)
    return check_number("variance", variance, low=0, open_low=True) * 2 ** (-2 * bits)

"""Likelihood in the units the field reports, each conversion written down once.

Inside the course a log-probability is in nats per example, summed over the example's variables.
Papers report bits per dimension (images), bits per character or perplexity (text). All are the
same number in other clothes:

    bits = nats / ln 2,   bits per dimension = nats / (D ln 2),   perplexity = exp(nats / tokens).
"""

import math
import sys
from dataclasses import dataclass
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


@dataclass(frozen=True)
class Estimate:
    """A mean over examples and how far chance alone moves it.

    Attributes:
        value: The estimate.
        standard_error: Its standard deviation over repeated draws of the examples.
    """

    value: float
    standard_error: float

    def __str__(self) -> str:
        """Return both with two digits of the standard error, as in ``1.8320 ± 0.0043``."""
        if not math.isfinite(self.standard_error) or self.standard_error <= 0:
            return f"{self.value:.4g}"
        decimals = max(0, 1 - math.floor(math.log10(self.standard_error)))
        return f"{self.value:.{decimals}f} ± {self.standard_error:.{decimals}f}"


Quantity = TypeVar("Quantity", float, Estimate)
"""A number, or an estimate with its standard error; what is given decides what is returned."""


def nats_per_example(log_prob: Float[Tensor, " batch"]) -> Estimate:
    """Negative log-likelihood, the mean of -log p(x_n) over N held-out examples.

    The standard error is s / sqrt(N), with s the sample standard deviation (divisor N - 1).

    Args:
        log_prob: log p(x_n) in nats, axis ``batch``; -inf is allowed and gives +inf.

    Returns:
        Nats per example, lower is better; at least the entropy of the source in expectation.
        The standard error of a single example, or of an infinite mean, is NaN.

    Accuracy: unbiased estimate of the cross-entropy.
    """
    check_tensor("log_prob", log_prob, shape=("batch",), dtype="float", finite=False)
    if bool((log_prob.isnan() | log_prob.isposinf()).any()):
        raise ArgumentError("log_prob: expected numbers or -inf, got NaN or +inf")
    nats = -log_prob.double()
    if len(nats) == 1:
        return Estimate(nats.item(), math.nan)
    return Estimate(nats.mean().item(), nats.std().item() / math.sqrt(len(nats)))


def bits(nats: Quantity) -> Quantity:
    """Nats to bits: divide by ln 2."""
    return _scale("nats", nats, 1 / math.log(2))


def bits_per_dim(nats: Quantity, num_dims: int) -> Quantity:
    """Nats per example to bits per dimension: nats / (D ln 2).

    Args:
        nats: Nats per example, a number or an ``Estimate``.
        num_dims: D, the number of variables in one example (64 for an 8 x 8 image), at least 1.
    """
    return _scale("nats", bits(nats), 1 / check_int("num_dims", num_dims, low=1))


def nats_from_bits_per_dim(bits_per_dimension: Quantity, num_dims: int) -> Quantity:
    """Bits per dimension to nats per example, the inverse of ``bits_per_dim``."""
    factor = math.log(2) * check_int("num_dims", num_dims, low=1)
    return _scale("bits_per_dimension", bits_per_dimension, factor)


def perplexity(nats: Quantity, num_tokens: int) -> Quantity:
    """Perplexity exp(nats / T), the size of a uniform alphabet that is as hard to predict.

    Args:
        nats: Nats for the whole text (or per example), a number or an ``Estimate``.
        num_tokens: T, the number of tokens those nats are summed over, at least 1.

    Returns:
        At least 1 for a discrete model. The standard error of an ``Estimate`` is carried to first
        order: d exp(a) = exp(a) da.
    """
    per_token = _scale("nats", nats, 1 / check_int("num_tokens", num_tokens, low=1))
    if isinstance(per_token, Estimate):
        value = _exp(per_token.value)
        return Estimate(value, value * per_token.standard_error)
    return _exp(per_token)


def _exp(x: float) -> float:
    """exp(x), infinite where a float cannot hold it."""
    return math.exp(x) if x < math.log(sys.float_info.max) else math.inf


def _scale(name: str, quantity: Quantity, factor: float) -> Quantity:
    if isinstance(quantity, Estimate):
        return Estimate(quantity.value * factor, quantity.standard_error * factor)
    return check_number(name, quantity) * factor

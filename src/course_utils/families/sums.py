r"""Sums of independent whole numbers, and how close they come to a Poisson or a normal law.

The law of a sum is the convolution of the laws, P(S = s) = sum_k P(X = k) P(Y = s - k). Two
limits follow from it. Many rare events give a Poisson number, with an error that Le Cam bounds;
many of anything with a variance give a normal one, with an error that Berry and Esseen bound.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv1d

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import check_probabilities

BERRY_ESSEEN = 0.4748
"""Constant C of the Berry-Esseen bound for independent, identically distributed summands."""

_MOST_UNIFORMS = 30


def sum_law(first: Float[Tensor, " n"], second: Float[Tensor, " m"]) -> Float[Tensor, " total"]:
    """Law of X + Y for independent X on 0 … n−1 and Y on 0 … m−1, by convolution.

    Args:
        first: P(X = k).
        second: P(Y = k), of the same type.

    Returns:
        P(X + Y = s), s = 0 … n+m−2.

    Accuracy:
        Exact up to rounding: all terms are positive.
    """
    for name, probs in (("first", first), ("second", second)):
        check_tensor(name, probs, shape=("n",), dtype=first.dtype, low=0)
    padded = conv1d(first[None, None], second.flip(0)[None, None], padding=len(second) - 1)
    return padded[0, 0]


def repeated_sum(law: Float[Tensor, " n"], times: int) -> Float[Tensor, " total"]:
    """Law of the sum of ``times`` independent copies, by repeated doubling.

    Args:
        law: P(X = k), k = 0 … n−1.
        times: Number of copies, ≥ 1.

    Returns:
        P(S = s), s = 0 … times·(n−1).

    Accuracy:
        Exact up to rounding.
    """
    check_int("times", times, low=1)
    check_tensor("law", law, shape=("n",), dtype="float", low=0)
    total, power = law.new_ones(1), law
    while times:
        if times % 2:
            total = sum_law(total, power)
        times //= 2
        power = sum_law(power, power) if times else power
    return total


def coins_law(probs: Float[Tensor, " coins"]) -> Float[Tensor, " counts"]:
    """Law of the number of heads of independent coins with P(head of coin i) = p_i.

    Args:
        probs: p_i in [0, 1]; they may differ.

    Returns:
        P(S = s), s = 0 … number of coins.

    Accuracy:
        Exact up to rounding.
    """
    check_tensor("probs", probs, shape=("coins",), dtype="float", low=0, high=1)
    law = probs.new_ones(1)
    for coin in torch.stack([1 - probs, probs], -1):
        law = sum_law(law, coin)
    return law


def poisson_distance(probs: Float[Tensor, " coins"]) -> Float[Tensor, ""]:
    """Total variation between the number of heads and the Poisson law of the same mean.

    TV = ½ Σ_k |P(S = k) − P(N = k)|, N ~ Poisson(Σ_i p_i); beyond the last coin only N counts.

    Args:
        probs: p_i in [0, 1], not all zero.

    Returns:
        A number between 0 and 1: the largest difference of the probabilities of any event.

    Accuracy:
        Exact up to rounding.
    """
    heads, rate = coins_law(probs), probs.sum()
    check_tensor("probs.sum()", rate, low=torch.finfo(probs.dtype).tiny)
    counts = torch.arange(len(heads)).to(heads)
    poisson = (counts * rate.log() - rate - torch.lgamma(counts + 1)).exp()
    beyond = torch.special.gammainc(rate.new_tensor(float(len(heads))), rate)
    return ((heads - poisson).abs().sum() + beyond) / 2


def le_cam_bound(probs: Float[Tensor, " coins"]) -> Float[Tensor, ""]:
    """Le Cam's bound on ``poisson_distance``: TV ≤ Σ_i p_i².

    Args:
        probs: p_i in [0, 1]. With p_i = λ/n the bound is λ²/n.

    Accuracy:
        A bound from above.

    Source:
        [lecam1960approximation].
    """
    check_tensor("probs", probs, shape=("coins",), dtype="float", low=0, high=1)
    return probs.square().sum()


def normal_distance(law: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Kolmogorov distance sup_x |F(x) − Φ((x − μ)/σ)| of a law on 0 … n−1 from the normal one.

    F is a staircase and Φ increases, so the supremum is found at a step, on one of its two sides.

    Args:
        law: P(S = s), with a positive variance σ².

    Returns:
        A number between 0 and 1.

    Accuracy:
        Exact up to rounding.
    """
    check_probabilities("law", law)
    values = torch.arange(len(law)).to(law)
    mean = law @ values
    variance = law @ (values - mean).square()
    check_tensor("variance of law", variance, low=torch.finfo(law.dtype).tiny)
    normal = torch.special.ndtr((values - mean) / variance.sqrt())
    above = law.cumsum(0)
    below = above - law
    return torch.maximum((above - normal).abs(), (below - normal).abs()).max()


def uniform_sum_cdf(x: Float[Tensor, "*batch"], num_terms: int) -> Float[Tensor, "*batch"]:
    """Distribution function of the sum of n uniform numbers on (0, 1), the Irwin-Hall law.

    F(x) = (1/n!) Σ_{k ≤ x} (−1)^k C(n, k) (x − k)^n, used on the left half and mirrored.

    Args:
        x: Any values.
        num_terms: n, 1 to 30.

    Returns:
        P(S ≤ x), float64.

    Accuracy:
        The signs alternate; the terms stay below 10⁴, so the absolute error is below 10⁻¹¹.
    """
    check_int("num_terms", num_terms, low=1, high=_MOST_UNIFORMS)
    x = check_tensor("x", x, dtype="float").double()
    left = torch.minimum(x, num_terms - x)
    total = torch.zeros_like(left)
    for k in range(num_terms // 2 + 1):
        weight = (-1) ** k * math.comb(num_terms, k) / math.factorial(num_terms)
        total = total + weight * (left - k).clamp_min(0) ** num_terms
    return torch.where(x <= num_terms / 2, total, 1 - total)


def uniform_sum_distance(num_terms: int, *, num_points: int = 20_001) -> float:
    """Kolmogorov distance of the standardised sum of n uniform numbers from N(0, 1).

    Args:
        num_terms: n, 1 to 30.
        num_points: Points of the grid over six standard deviations to each side.

    Accuracy:
        The maximum over a grid: too small by less than 10⁻⁷ with the default grid.
    """
    z = torch.linspace(-6, 6, check_int("num_points", num_points, low=3), dtype=torch.float64)
    sums = num_terms / 2 + z * math.sqrt(num_terms / 12)
    return float((uniform_sum_cdf(sums, num_terms) - torch.special.ndtr(z)).abs().max())


def berry_esseen_bound(third_moment: float, std: float, num_terms: int) -> float:
    """Berry-Esseen bound C ρ / (σ³ √n) on the Kolmogorov distance of a standardised sum.

    Args:
        third_moment: ρ = E|X − E X|³ of one term; never below σ³.
        std: σ > 0 of one term.
        num_terms: n.

    Returns:
        A bound from above; it may exceed 1 and then says nothing.

    Raises:
        ArgumentError: ρ < σ³, which no random number has.

    Source:
        The constant C = 0.4748 is from [shevtsova2011absolute].
    """
    check_number("std", std, low=0, open_low=True)
    check_int("num_terms", num_terms, low=1)
    if check_number("third_moment", third_moment, low=0) < std**3 * (1 - 1e-12):
        raise ArgumentError(f"third_moment: expected at least std³ = {std**3}, got {third_moment}")
    return BERRY_ESSEEN * third_moment / (std**3 * math.sqrt(num_terms))

"""Both sides of every link of the family tree: the child built from its parent, and its formula.

Each function takes a whole number n >= 1 and builds the probabilities of the child out of those of
the parent (by adding, multiplying, averaging, conditioning, a limit), then evaluates the child's
own formula at the same values.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import (
    Beta,
    Binomial,
    Dirichlet,
    Exponential,
    Gamma,
    Geometric,
    Multinomial,
    NegativeBinomial,
    Normal,
    Poisson,
)

from course_utils.arguments import check_int
from course_utils.families.logistic_normal import logistic_normal
from course_utils.families.sums import repeated_sum

RATE = 3.0
"""Mean number of events in the tree's examples."""

CHANCE = 0.3
"""Chance of success in the tree's examples."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The child built from its parent, beside the child's own formula.

    Attributes:
        values: Where both are evaluated.
        built: Probabilities, densities or distribution functions from the parent.
        formula: The same from the child's formula.
        discrete: Whether the entries are probabilities of the values.
        gap: Total variation of discrete laws, otherwise the largest difference.
    """

    values: Float[Tensor, " values"]
    built: Float[Tensor, " values"]
    formula: Float[Tensor, " values"]
    discrete: bool

    @property
    def gap(self) -> float:
        """Total variation ½ Σ |a − b| of discrete laws, otherwise max |a − b|."""
        apart = (self.built - self.formula).abs()
        return float(apart.sum() / 2 if self.discrete else apart.max())


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _counts(high: int) -> Tensor:
    return torch.arange(high + 1, dtype=torch.float64)


def _pmf(law, values: Tensor) -> Tensor:
    return law.log_prob(values).exp()


def _coin() -> Tensor:
    return torch.tensor([1 - CHANCE, CHANCE], dtype=torch.float64)


def bernoulli_binomial(n: int) -> Comparison:
    """Heads of n tosses, the law of one toss added to itself n times."""
    values = _counts(check_int("n", n, low=1))
    law = Binomial(n, _number(CHANCE))
    return Comparison(values, repeated_sum(_coin(), n), _pmf(law, values), True)


def binomial_poisson(n: int) -> Comparison:
    """n trials with chance λ/n, padded with zeros; the few beyond are in the tail of both."""
    values = _counts(max(check_int("n", n, low=1), 40))
    chance = min(1.0, RATE / n)
    law = Binomial(n, _number(chance))
    inside = values <= n
    built = torch.where(inside, _pmf(law, values.clamp(max=n)), 0.0)
    return Comparison(values, built, _pmf(Poisson(_number(RATE)), values), True)


def bernoulli_geometric(n: int) -> Comparison:
    """All failures but the last: multiply, for up to n failures."""
    values = _counts(check_int("n", n, low=1))
    failure, success = _coin()
    built = torch.cumprod(torch.cat([success[None], failure.expand(n)]), 0)
    return Comparison(values, built, _pmf(Geometric(_number(CHANCE)), values), True)


def geometric_exponential(n: int) -> Comparison:
    """n trials per unit of time, chance λ/n each: P(no success by time t)."""
    times = torch.linspace(0, 2, 401, dtype=torch.float64)
    chance = min(1.0, RATE / check_int("n", n, low=1))
    built = 1 - (1 - _number(chance)) ** (times * n).floor()
    return Comparison(times, built, Exponential(_number(RATE)).cdf(times), False)


def geometric_negative_binomial(n: int) -> Comparison:
    """Failures before the n-th success are n waits in a row."""
    values = _counts(20 + 6 * check_int("n", n, low=1))
    built = repeated_sum(_pmf(Geometric(_number(CHANCE)), values), n)[: len(values)]
    law = NegativeBinomial(_number(float(n)), probs=_number(1 - CHANCE))
    return Comparison(values, built, _pmf(law, values), True)


def poisson_gamma(n: int) -> Comparison:
    """The n-th event is later than t if fewer than n came by t."""
    times = torch.linspace(0.01, 6, 400, dtype=torch.float64)
    few = _counts(check_int("n", n, low=1) - 1)
    built = 1 - Poisson(RATE * times[:, None]).log_prob(few).exp().sum(1)
    return Comparison(times, built, Gamma(_number(float(n)), _number(RATE)).cdf(times), False)


def binomial_normal(n: int) -> Comparison:
    """Standardised counts against the bell curve: distribution functions at the steps."""
    values = _counts(check_int("n", n, low=1))
    mean, std = n * CHANCE, (n * CHANCE * (1 - CHANCE)) ** 0.5
    built = repeated_sum(_coin(), n).cumsum(0)
    formula = Normal(_number(mean), _number(std)).cdf(values)
    return Comparison((values - mean) / std, built, formula, False)


def poisson_binomial(n: int) -> Comparison:
    """Two independent Poisson counts with n events in all: how many are of the first kind."""
    values = _counts(check_int("n", n, low=1))
    one, two = RATE * CHANCE, RATE * (1 - CHANCE)
    joint = _pmf(Poisson(_number(one)), values) * _pmf(Poisson(_number(two)), n - values)
    law = Binomial(n, _number(CHANCE))
    return Comparison(values, joint / joint.sum(), _pmf(law, values), True)


def bernoulli_categorical(n: int) -> Comparison:
    """A die with n + 1 faces by tossing n coins until one shows heads."""
    faces = _counts(check_int("n", n, low=1))
    chances = (faces + 1) / (faces + 1).sum()
    left = chances.flip(0).cumsum(0).flip(0)
    coins = chances / left
    unbroken = torch.cat([coins.new_ones(1), (1 - coins[:-1]).cumprod(0)])
    return Comparison(faces, coins * unbroken, chances, True)


def categorical_multinomial(n: int) -> Comparison:
    """Counts of the faces of a three-sided die in n throws.

    The faces are written as the numbers 0, 1 and n + 1, so that a sum tells both counts.
    """
    die = torch.zeros(check_int("n", n, low=1) + 2, dtype=torch.float64)
    die[0], die[1], die[n + 1] = 0.5, 0.3, 0.2
    built = repeated_sum(die, n)
    codes = torch.arange(len(built))
    second, third = codes % (n + 1), codes // (n + 1)
    counts = torch.stack([n - second - third, second, third], -1)
    possible = (counts >= 0).all(-1)
    law = Multinomial(n, die[[0, 1, n + 1]], validate_args=False)
    formula = _pmf(law, counts.clamp_min(0).double()).where(possible, 0.0)
    return Comparison(codes.double(), built, formula, True)


def poisson_negative_binomial(n: int) -> Comparison:
    """A Poisson number whose rate is a gamma number: average over the rate e^v."""
    values = _counts(40 + 6 * check_int("n", n, low=1))
    place = torch.linspace(-40, 8, 6001, dtype=torch.float64)
    rates, shape = place.exp(), _number(float(n))
    prior = Gamma(shape, _number(CHANCE / (1 - CHANCE))).log_prob(rates)
    weighted = (Poisson(rates).log_prob(values[:, None]) + prior + place).exp()
    law = NegativeBinomial(shape, probs=_number(1 - CHANCE))
    return Comparison(values, torch.trapezoid(weighted, place), _pmf(law, values), True)


def exponential_gamma(n: int) -> Comparison:
    """One more wait behind n: the density of n waits against that of one, convolved."""
    shape, rate = _number(float(check_int("n", n, low=1))), _number(RATE)
    times = torch.linspace(0.01, 6, 600, dtype=torch.float64)
    nodes, weights = _gauss(64)
    first = times[:, None] * nodes
    parts = Gamma(shape, rate).log_prob(first) + Exponential(rate).log_prob(times[:, None] - first)
    return Comparison(
        times, times * (parts.exp() @ weights), _pmf(Gamma(shape + 1, rate), times), False
    )


def gamma_beta(n: int) -> Comparison:
    """X / (X + Y) for the waits X for n and Y for two events, their sum e^v integrated out."""
    shares = torch.linspace(0.005, 0.995, 199, dtype=torch.float64)
    first, second = _number(float(check_int("n", n, low=1))), _number(2.0)
    place = torch.linspace(-15, 8, 3001, dtype=torch.float64)[:, None]
    total, one = place.exp(), _number(1.0)
    joint = Gamma(first, one).log_prob(shares * total)
    joint = joint + Gamma(second, one).log_prob((1 - shares) * total)
    built = torch.trapezoid((joint + 2 * place).exp(), place, dim=0)
    return Comparison(shares, built, _pmf(Beta(first, second), shares), False)


def beta_dirichlet(n: int) -> Comparison:
    """The first of three chances, ρ ~ Dirichlet(n, 2, 1): the second is integrated out."""
    shares = torch.linspace(0.005, 0.995, 199, dtype=torch.float64)
    nodes, weights = _gauss(8)
    second = (1 - shares)[:, None] * nodes
    third = (1 - shares)[:, None] - second
    chances = torch.stack([shares[:, None].expand_as(second), second, third], -1)
    concentration = torch.tensor([check_int("n", n, low=1), 2, 1], dtype=torch.float64)
    built = (1 - shares) * (_pmf(Dirichlet(concentration), chances) @ weights)
    return Comparison(shares, built, _pmf(Beta(_number(float(n)), _number(3.0)), shares), False)


def normal_logistic_normal(n: int) -> Comparison:
    """The density of p from its distribution function Φ(logit(p) / √n), by differentiation."""
    chances = torch.linspace(0.002, 0.998, 499, dtype=torch.float64).requires_grad_()
    std = check_int("n", n, low=1) ** 0.5
    below = Normal(_number(0.0), _number(std)).cdf(chances.logit())
    built = torch.autograd.grad(below.sum(), chances)[0]
    chances = chances.detach()
    return Comparison(chances, built, _pmf(logistic_normal(0.0, std), chances), False)


def _gauss(num_nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss and Legendre on (0, 1), exact up to degree 2 num_nodes - 1."""
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(num_nodes))
    return (nodes + 1) / 2, weights / 2

"""Judges of numbers of week 0: a biased variance, and two divergences.

The variance is a sum over every possible sample, the divergences are integrals by quadrature that
is exact for them.
"""

import functools
import itertools
import math
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading.judges.numbers import (
    Wrong,
    entry,
    judge_number,
    lie_apart,
    written_down,
)
from course_utils.grading.questions import PUBLIC_SEED, Instance, Mistake, Verdict

# The expected variance of a sample

VARIANCE_DATA = ("values", "probabilities", "num_draws")
"""Names of what the notebook is given."""

_VARIANCE = ("expected", "factor")


def draw_variance(seed: int) -> list[Instance]:
    """A number with three values, drawn four to six times."""
    rng = random.Random(f"variance {seed}")
    while True:
        values = [round(rng.uniform(-4, 4), 1) for _ in range(3)]
        shares = [rng.randint(2, 9) for _ in range(3)]
        args = {
            "values": values,
            "probabilities": [share / sum(shares) for share in shares],
            "num_draws": rng.randint(4, 6),
        }
        if min(abs(a - b) for a, b in itertools.combinations(values, 2)) > 0.8:
            judged = (_variances(args)[name] for name in _VARIANCE)
            if all(lie_apart([t, *(v for _, _, v in w)]) for t, w in judged):
                break
    return [Instance(name, args, 0.5) for name in _VARIANCE]


def expected_variance(values: list[float], probabilities: list[float], num_draws: int) -> float:
    """Mean of (1/n) sum (x - mean)^2 over all samples of n draws, each with its probability."""
    total = 0.0
    for sample in itertools.product(range(len(values)), repeat=num_draws):
        drawn = np.array([values[i] for i in sample])
        total += math.prod(probabilities[i] for i in sample) * float(drawn.var())
    return total


def _variances(args: dict[str, Any]) -> dict[str, tuple[float, Wrong]]:
    mean = sum(p * v for p, v in zip(args["probabilities"], args["values"], strict=True))
    variance = sum(
        p * (v - mean) ** 2 for p, v in zip(args["probabilities"], args["values"], strict=True)
    )
    n, expected = args["num_draws"], expected_variance(**args)
    return {
        "expected": (expected, [
            ("unbiased", "expected is the variance itself: the sample's mean is closer to the "
             "sample than the true mean is.", variance),
            ("of-mean", "expected is the variance of the mean.", variance / n),
            ("n-minus-one", "expected is for the sum divided by n - 1 and then corrected the "
             "wrong way.", variance * n / (n - 1)),
            ("std", "expected is a standard deviation: square it.", math.sqrt(expected)),
            ("sum", "expected is that of the sum of squares: divide by the number of draws.",
             expected * n),
        ]),
        "factor": (variance / expected, [
            ("inverse", "factor is upside down: the estimate is too small and has to grow.",
             expected / variance),
            ("n-plus-one", "factor is that of n + 1 draws.", (n + 1) / n),
            ("root", "factor is for the standard deviation.", math.sqrt(variance / expected)),
            ("n", "factor is the number of draws.", float(n)),
        ]),
    }  # fmt: skip


def examine_variance(answer: Any, instance: Instance) -> Verdict:
    """Compare one of the two entries."""
    name = instance.name
    tip = {
        "expected": "expected is not right: list all samples, and weigh the variance of each by "
        "its probability.",
        "factor": "factor is not right: what times expected is the variance of the law?",
    }[name]
    truth, wrong = _variances(instance.args)[name]
    return judge_number(name, entry(answer, name, _VARIANCE), truth, wrong, tip=tip)


# Two divergences

KL_DATA = ("mean_p", "covariance_p", "mean_q", "covariance_q")
"""Names of what the notebook is given."""

_KL = ("forward", "reverse")
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(4)


def draw_kl(seed: int) -> list[Instance]:
    """Two correlated laws in the plane."""
    generator = torch.Generator().manual_seed(seed + 3006)
    while True:
        roots = torch.randn(2, 2, 2, generator=generator, dtype=torch.float64)
        means = torch.randn(2, 2, generator=generator, dtype=torch.float64)
        laws = [root @ root.T + 0.3 * torch.eye(2).double() for root in roots]
        args = dict(zip(KL_DATA, (means[0], laws[0], means[1], laws[1]), strict=True))
        judged = [[t, *(v for _, _, v in wrong)] for t, wrong in _divergences(args).values()]
        if all(values[0] > 0.2 and lie_apart(values) for values in judged):
            break
    return [Instance(name, args, 0.5) for name in _KL]


def divergence(mean: Tensor, covariance: Tensor, other: Tensor, other_cov: Tensor) -> float:
    """E_p (log p - log q) by Gauss-Hermite quadrature in the plane, exact for a quadratic."""
    root = np.linalg.cholesky(covariance.numpy())
    total = 0.0
    for (a, u), (b, v) in itertools.product(zip(_NODES, _NODE_WEIGHTS, strict=True), repeat=2):
        z = mean.numpy() + root @ np.array([a, b])
        ratio = _log_normal(z, mean, covariance) - _log_normal(z, other, other_cov)
        total += u * v / (2 * math.pi) * ratio
    return total


def _log_normal(z: np.ndarray, mean: Tensor, covariance: Tensor) -> float:
    away, matrix = z - mean.numpy(), covariance.numpy()
    determinant = float(np.linalg.det(2 * math.pi * matrix))
    return -0.5 * (float(away @ np.linalg.inv(matrix) @ away) + math.log(determinant))


def _divergences(args: dict[str, Tensor]) -> dict[str, tuple[float, Wrong]]:
    p, q = (args["mean_p"], args["covariance_p"]), (args["mean_q"], args["covariance_q"])
    both = divergence(*p, *q), divergence(*q, *p)
    found = {}
    for name, (one, two), truth, other in zip(_KL, ((p, q), (q, p)), both, both[::-1], strict=True):
        logs = 0.5 * float(torch.logdet(two[1]) - torch.logdet(one[1]))
        widths = divergence(one[0], one[1], one[0], two[1])
        plain = divergence(one[0], one[1].diagonal().diag(), two[0], two[1].diagonal().diag())
        found[name] = truth, [
            ("exchanged", f"{name} is the other of the two divergences.", other),
            ("no-half", f"{name} is twice as large: the factor one half is lost.", 2 * truth),
            ("bits", f"{name} is in bits: nats are asked for.", truth / math.log(2)),
            ("no-logs", f"{name} lacks the logarithm of the determinants.", truth - logs),
            ("logs-sign", f"{name} has the logarithm of the determinants with the wrong sign.",
             truth - 2 * logs),
            ("no-means", f"{name} lacks the part of the means.", widths),
            ("constant", f"{name} lacks the constant: for equal laws it has to be zero.",
             truth + 1.0),
            ("uncorrelated", f"{name} uses the diagonals of the covariances only.", plain),
        ]  # fmt: skip
    return found


@functools.cache
def _public_divergences() -> dict[str, float]:
    args = draw_kl(PUBLIC_SEED)[0].args
    return {name: truth for name, (truth, _) in _divergences(args).items()}


def examine_kl(answer: Any, instance: Instance) -> Verdict:
    """Compare one of the two directions."""
    name = instance.name
    value = entry(answer, name, _KL)
    if isinstance(value, int | float) and value < 0:
        text = f"{name} is negative: a divergence never is."
        raise Mistake("negative", text, text)
    truth, wrong = _divergences(instance.args)[name]
    wrong = [*wrong, *written_down(name, _public_divergences()[name], truth)]
    tip = f"{name} is not right: it is the mean of a difference of log densities under one law."
    return judge_number(name, value, truth, wrong, tip=tip)

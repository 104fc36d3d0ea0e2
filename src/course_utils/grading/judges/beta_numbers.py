"""Judge of two numbers of a linear beta-VAE: which beta a loss amounts to, and what stays active.

For data with variance v in one direction, a linear latent whose signal-to-noise ratio is r costs

    v / (2 s^2 (1 + r)) + beta / 2 log(1 + r).

The judge looks for the best r on a grid, direction by direction, and counts those above zero. Beta
is found by comparing the loss as written with the two terms of the bound, example by example.
"""

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading.judges.numbers import (
    EXACT,
    TOLERANCE,
    Wrong,
    entry,
    judge_number,
    lie_apart,
    written_down,
)
from course_utils.grading.questions import PUBLIC_SEED, Instance, Verdict

LOSS_DATA = ("covariance", "noise", "weight", "num_latents")
"""Names of what the notebook is given."""

_NAMES = ("beta", "active")


def draw(seed: int) -> list[Instance]:
    """A covariance, and a loss that takes a mean over variables in one of its terms."""
    generator = torch.Generator().manual_seed(seed + 4202)
    while True:
        dim = int(torch.randint(7, 10, (1,), generator=generator))
        turn = torch.linalg.qr(torch.randn(dim, dim, generator=generator, dtype=torch.float64)).Q
        powers = 3 * torch.rand(dim, generator=generator, dtype=torch.float64) - 1
        noise = 0.4 + 0.8 * float(torch.rand(1, generator=generator))
        weight = 0.1 + 0.6 * float(torch.rand(1, generator=generator))
        args = {
            "covariance": turn @ powers.exp().diag() @ turn.T,
            "noise": round(noise, 2),
            "weight": round(weight, 2),
            "num_latents": dim,
        }
        level = args["weight"] * dim / 2
        clear = bool(((powers.exp() / level).log().abs() > 0.05).all())
        betas = [_beta(args), *(value for _, _, value in _wrong_betas(args))]
        counts = [_active(args, _beta(args)), *(value for _, _, value in _wrong_counts(args))]
        if clear and lie_apart(betas) and len(set(counts)) == len(counts):
            break
    return [Instance(name, args, 0.5) for name in _NAMES]


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare one of the two numbers."""
    name, args = instance.name, instance.args
    known = _public()[name]
    if name == "beta":
        truth, wrong = _beta(args), _wrong_betas(args)
        tip = "beta is not right: multiply the loss so that its first term is that of the bound."
    else:
        truth, wrong = float(_active(args, _beta(args))), _wrong_counts(args)
        tip = "active is not right: compare each variance along an eigenvector with a threshold."
    wrong = [*wrong, *written_down(name, known, truth)]
    tolerance = EXACT if name == "active" else TOLERANCE
    return judge_number(
        name, entry(answer, name, _NAMES), truth, wrong, tip=tip, tolerance=tolerance
    )


@functools.cache
def _public() -> dict[str, float]:
    """The right numbers for the public case."""
    args = draw(PUBLIC_SEED)[0].args
    return {"beta": _beta(args), "active": float(_active(args, _beta(args)))}


def _beta(args: dict[str, Any]) -> float:
    """The ratio of the weights of the two terms, from the loss of two examples with known terms."""
    dim, variance = args["num_latents"], args["noise"] ** 2

    def loss(squares: np.ndarray, rate: float) -> float:
        return float(squares.mean()) + args["weight"] * rate

    error = np.linspace(1, 2, dim)
    per_nat_of_distortion = loss(error, 0.0) / (error.sum() / (2 * variance))
    per_nat_of_rate = loss(0 * error, 1.0)
    return per_nat_of_rate / per_nat_of_distortion


def _active(args: dict[str, Any], beta: float, noise: float | None = None) -> int:
    """Directions in which some positive signal-to-noise ratio costs less than none."""
    noise = args["noise"] if noise is None else noise
    ratios = np.concatenate([[0.0], np.geomspace(1e-4, 1e5, 4000)])
    count = 0
    for variance in torch.linalg.eigvalsh(args["covariance"]).tolist():
        cost = variance / (2 * noise**2 * (1 + ratios)) + beta / 2 * np.log1p(ratios)
        count += int(cost.argmin() > 0)
    return count


def _above(covariance: Tensor, level: float) -> float:
    return float((torch.linalg.eigvalsh(covariance) > level).sum())


def _wrong_betas(args: dict[str, Any]) -> Wrong:
    dim, noise, weight, truth = args["num_latents"], args["noise"], args["weight"], _beta(args)
    return [
        ("weight", "beta is not the weight as it stands: the other term is a mean.", weight),
        ("no-mean", "beta forgets that the first term is a mean over the variables.", truth / dim),
        ("no-half", "beta lacks the one half of the Gaussian's exponent.", 2 * truth),
        ("no-noise", "beta leaves out the noise and the one half: the square is divided by 2 s^2.",
         weight * dim),
        ("noise", "beta takes the noise for a variance: it is a standard deviation.",
         truth * noise),
        ("inverse", "beta is upside down.", 1 / truth),
        ("no-weight", "beta leaves out the weight of the divergence.", truth / weight),
    ]  # fmt: skip


def _wrong_counts(args: dict[str, Any]) -> Wrong:
    covariance, noise, beta = args["covariance"], args["noise"], _beta(args)
    known = [
        ("all", "active is the number of all latents: some of them are switched off.",
         float(args["num_latents"])),
        ("inactive", "active is the number of those that are switched off.",
         args["num_latents"] - float(_active(args, beta))),
        ("no-beta", "active compares with the noise variance alone, as if beta were 1.",
         _above(covariance, noise**2)),
        ("weight", "active takes the weight for beta.",
         _above(covariance, args["weight"] * noise**2)),
        ("roots", "active compares standard deviations with a variance.",
         _above(covariance, (beta * noise**2) ** 2)),
    ]  # fmt: skip
    distinct: dict[float, tuple[str, str, float]] = {}
    for row in known:
        distinct.setdefault(row[2], row)
    truth = float(_active(args, beta))
    return [row for row in known if distinct[row[2]] is row and row[2] != truth]


def level_of(args: dict[str, Any]) -> float:
    """The variance above which a direction is active, beta s^2, here weight times dim / 2."""
    return math.prod((_beta(args), args["noise"], args["noise"]))

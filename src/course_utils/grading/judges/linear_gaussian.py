"""Judges of the evidence lower bound of a linear-Gaussian model, and of the two gaps of a bound.

The truth never uses the decomposition into a likelihood and a divergence from the prior. It writes
down the joint law of latent and visible variables, conditions it, and subtracts

    ELBO = log p(x) - KL(q || p(z | x)).

Gaps are divergences by quadrature; the best factorised law consists of conditional laws.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.judges.numbers import Wrong, entry, judge_number, lie_apart, written_down
from course_utils.grading.questions import PUBLIC_SEED, Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

# The model


def log_evidence(x: Tensor, weight: Tensor, bias: Tensor, noise: float) -> Tensor:
    """log p(x) of each example from the covariance of the visible variables."""
    covariance = _joint(weight, noise)[weight.shape[1] :, weight.shape[1] :]
    away = (x - bias).numpy()
    far = (away * np.linalg.solve(covariance, away.T).T).sum(1)
    log_det = np.linalg.slogdet(2 * math.pi * covariance)[1]
    return torch.from_numpy(-0.5 * (far + log_det))


def posterior(x: Tensor, weight: Tensor, bias: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """Means and covariance of p(z | x): the joint law, conditioned."""
    latent = weight.shape[1]
    joint = _joint(weight, noise)
    gain = np.linalg.solve(joint[latent:, latent:], joint[latent:, :latent]).T
    means = (x - bias).numpy() @ gain.T
    covariance = joint[:latent, :latent] - gain @ joint[latent:, :latent]
    return torch.from_numpy(means), torch.from_numpy((covariance + covariance.T) / 2)


def _joint(weight: Tensor, noise: float) -> np.ndarray:
    """Covariance of (z, x), which are a linear map of independent standard normals."""
    dim, latent = weight.shape
    top = np.hstack([np.eye(latent), np.zeros((latent, dim))])
    bottom = np.hstack([weight.numpy(), noise * np.eye(dim)])
    maps = np.vstack([top, bottom])
    return maps @ maps.T


_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(3)


def divergence(mean: Tensor, covariance: Tensor, other: Tensor, other_covariance: Tensor) -> Tensor:
    """KL of Gaussians, as E_q (log q - log p) on the nodes of a product quadrature (exact)."""
    dim = mean.shape[-1]
    grid = np.stack(np.meshgrid(*[_NODES] * dim, indexing="ij"), -1).reshape(-1, dim)
    mass = np.prod(np.stack(np.meshgrid(*[_NODE_WEIGHTS] * dim, indexing="ij"), -1), -1).ravel()
    factor = np.linalg.cholesky(covariance.numpy())
    inverse = np.linalg.inv(other_covariance.numpy())
    log_dets = (
        np.linalg.slogdet(other_covariance.numpy())[1] - np.linalg.slogdet(covariance.numpy())[1]
    )
    away = (mean - other).numpy()[..., None, :] + grid @ factor.T
    log_ratio = np.einsum("...i,ij,...j->...", away, inverse, away) - (grid**2).sum(-1) + log_dets
    return torch.as_tensor(0.5 * log_ratio @ (mass / mass.sum()))


# The bound


def draw_elbo(seed: int) -> list[Instance]:
    """A law q at random, and the exact posterior."""
    generator = torch.Generator().manual_seed(seed + 3505)
    while True:
        numbers = torch.randn(5, 9, generator=generator, dtype=torch.float64)
        x, weight, bias = numbers[:, :5].T[:3], numbers[:, 5:7], numbers[:, 7]
        root = torch.randn(2, 2, generator=generator, dtype=torch.float64)
        mean = torch.randn(3, 2, generator=generator, dtype=torch.float64)
        args = {"x": x.contiguous(), "weight": weight.contiguous(), "bias": bias.contiguous()}
        args |= {"noise": 0.7, "mean": mean, "covariance": root @ root.T + 0.1 * torch.eye(2)}
        if told_apart(elbo(**args), _wrong_bounds(**args)):
            break
    means, covariance = posterior(args["x"], args["weight"], args["bias"], 0.7)
    exact = {**args, "mean": means, "covariance": covariance}
    return [
        Instance("a law q at random", args, 0.7),
        Instance("q is the exact posterior", exact, 0.3),
    ]


def elbo(
    x: Tensor, weight: Tensor, bias: Tensor, noise: float, mean: Tensor, covariance: Tensor
) -> Tensor:
    """The evidence less the gap."""
    model = x, weight, bias, noise
    return log_evidence(*model) - divergence(mean, covariance, *posterior(*model))


def examine_elbo(answer: Any, instance: Instance) -> Verdict:
    """Compare with the evidence less the divergence from the exact posterior."""
    args = instance.args
    value = answers.call(answer, args)
    name = f"{answers.name_of(answer)}(...)"
    hint = "One bound for each example is asked for."
    value = answers.expect_floats(name, value, (len(args["x"]),), hint)
    answers.expect_finite(name, value)
    evidence = log_evidence(*(args[key] for key in ("x", "weight", "bias", "noise")))
    random_q = instance.name.startswith("a law")
    plain = "it is not the evidence less the divergence of q from the posterior."
    if not random_q:
        plain = "for the exact posterior the bound has to equal log p(x): the gap is zero."
    above = bool((value > evidence + 1e-6).any())
    opening = "it exceeds log p(x), which no lower bound does. " if above else ""
    suspects = _wrong_bounds(**args) if random_q else ()
    line_up(value, elbo(**args), suspects, tolerance=1e-6, otherwise=opening + plain, plain=plain)
    return right("the bound lies below log p(x) by the divergence from the exact posterior.")


def _wrong_bounds(
    x: Tensor, weight: Tensor, bias: Tensor, noise: float, mean: Tensor, covariance: Tensor
) -> Iterator[Suspect]:
    args = x, weight, bias, noise, mean, covariance
    truth, evidence = elbo(*args), log_evidence(x, weight, bias, noise)
    zero, identity = torch.zeros_like(mean), torch.eye(mean.shape[1]).double()
    rate = divergence(mean, covariance, zero, identity)
    backwards = divergence(zero, identity, mean, covariance)
    spread = float((weight @ covariance @ weight.T).trace()) / (2 * noise**2)
    constant = 0.5 * len(bias) * math.log(2 * math.pi)
    diagonal = covariance.diagonal().diag()
    yield Suspect("evidence", "it is log p(x) itself: where is q?", evidence)
    yield Suspect(
        "no-spread", "the likelihood is taken at the mean of q: its spread costs as well.",
        truth + spread,
    )  # fmt: skip
    yield Suspect("spread-half", "the cost of the spread of q lacks a factor one half.",
                  truth - spread)  # fmt: skip
    yield Suspect("rate-sign", "the divergence from the prior is added: subtract it.",
                  truth + 2 * rate)  # fmt: skip
    yield Suspect("no-rate", "the divergence from the prior is left out.", truth + rate)
    yield Suspect(
        "reversed", "the divergence from the prior is taken the wrong way round: q comes first.",
        truth + rate - backwards,
    )  # fmt: skip
    yield Suspect("above", "the gap is added to log p(x): a lower bound lies below.",
                  2 * evidence - truth)  # fmt: skip
    yield Suspect("sign", "it has the wrong sign: the bound is asked for, not the loss.", -truth)
    yield Suspect("no-constant", "the constant of the Gaussian density, log 2 pi, is left out.",
                  truth + constant)  # fmt: skip
    yield Suspect(
        "no-noise", "the noise is missing in the constant of the Gaussian density.",
        truth + len(bias) * math.log(noise),
    )  # fmt: skip
    yield Suspect(
        "noise", "noise is taken for a variance: it is a standard deviation.",
        elbo(x, weight, bias, math.sqrt(noise), mean, covariance),
    )  # fmt: skip
    yield Suspect(
        "diagonal", "only the diagonal of the covariance of q is used.",
        elbo(x, weight, bias, noise, mean, diagonal),
    )  # fmt: skip
    yield Suspect("batch", "the mean over the examples is taken.", truth.mean().expand(len(x)))


# Gaps

GAP_DATA = ("posterior_mean", "posterior_covariance", "encoder_mean", "encoder_std")
"""Names of what the notebook is given."""

_GAPS = ("approximation", "amortisation")


def draw_gaps(seed: int) -> list[Instance]:
    """A correlated posterior, and what an encoder says of it."""
    generator = torch.Generator().manual_seed(seed + 3606)
    while True:
        root = torch.randn(3, 3, generator=generator, dtype=torch.float64)
        covariance = root @ root.T + 0.2 * torch.eye(3)
        mean, moved = torch.randn(2, 3, generator=generator, dtype=torch.float64)
        stretch = 0.3 * torch.randn(3, generator=generator, dtype=torch.float64)
        best = best_variances(covariance).sqrt()
        args = dict(zip(GAP_DATA, (mean, covariance, mean + 0.4 * moved, best * stretch.exp()),
                        strict=True))  # fmt: skip
        judged = [[truth, *(v for _, _, v in wrong)] for truth, wrong in _gaps(args).values()]
        if all(values[0] > 0.15 and lie_apart(values) for values in judged):
            break
    return [Instance(name, args, 0.5) for name in _GAPS]


def best_variances(covariance: Tensor) -> Tensor:
    """Variances of the best factorised law: of each coordinate given all the others.

    The optimal factor of a coordinate is proportional to the exponential of the mean log density
    over the other factors, and for a Gaussian that is its conditional law.
    """
    out = torch.empty(len(covariance), dtype=torch.float64)
    for j in range(len(covariance)):
        rest = [i for i in range(len(covariance)) if i != j]
        across = covariance[j, rest]
        out[j] = covariance[j, j] - across @ torch.linalg.solve(covariance[rest][:, rest], across)
    return out


def examine_gaps(answer: Any, instance: Instance) -> Verdict:
    """Compare one of the two gaps."""
    name, args = instance.name, instance.args
    tip = {
        "approximation": "approximation is not right: find the variances that minimise the "
        "divergence from the posterior, then its value.",
        "amortisation": "amortisation is not right: it is what the encoder loses beyond the best "
        "factorised law.",
    }[name]
    value = entry(answer, name, _GAPS)
    if isinstance(value, int | float) and value < 0:
        text = f"{name} is negative: no law of this kind comes closer than the best one."
        raise Mistake("negative", text, text)
    truth, wrong = _gaps(args)[name]
    wrong = [*wrong, *written_down(name, _public_gaps()[name], truth)]
    return judge_number(name, value, truth, wrong, tip=tip)


@functools.cache
def _public_gaps() -> dict[str, float]:
    """The right numbers for the public case."""
    args = draw_gaps(PUBLIC_SEED)[0].args
    return {name: truth for name, (truth, _) in _gaps(args).items()}


def _kl_of(variances: Tensor, args: dict[str, Tensor], mean: str = "posterior_mean") -> float:
    law = args[mean], variances.diag()
    return float(divergence(*law, args["posterior_mean"], args["posterior_covariance"]))


def _gaps(args: dict[str, Tensor]) -> dict[str, tuple[float, Wrong]]:
    """Both gaps, each with the numbers that known mistakes give."""
    covariance, std = args["posterior_covariance"], args["encoder_std"]
    best = best_variances(covariance)
    approximation = _kl_of(best, args)
    total = _kl_of(std.square(), args, "encoder_mean")
    amortisation = total - approximation
    only_mean = _kl_of(best, args, "encoder_mean") - approximation
    marginals, units = _kl_of(covariance.diagonal(), args), _kl_of(torch.ones_like(best), args)
    of_std = _kl_of(std, args, "encoder_mean") - approximation
    return {
        "approximation": (approximation, [
            *_common("approximation", approximation, amortisation),
            ("marginals", "approximation is that of the law with the posterior's own variances: "
             "another factorised law comes closer.", marginals),
            ("total", "approximation is what the encoder loses in all.", total),
            ("unit", "approximation is that of a law with variances of one.", units),
        ]),
        "amortisation": (amortisation, [
            *_common("amortisation", amortisation, approximation),
            ("total", "amortisation is what the encoder loses in all: subtract what no factorised "
             "law can avoid.", total),
            ("only-mean", "amortisation counts the encoder's mean and not its width.", only_mean),
            ("only-width", "amortisation counts the encoder's width and not its mean.",
             amortisation - only_mean),
            ("std", "amortisation takes encoder_std for variances.", of_std),
        ]),
    }  # fmt: skip


def _common(name: str, truth: float, other: float) -> Wrong:
    return [
        ("no-half", f"{name} is twice as large: the factor one half is lost.", 2 * truth),
        ("bits", f"{name} is in bits: nats are asked for.", truth / math.log(2)),
        ("exchanged", f"{name} is the other one of the two gaps.", other),
    ]

"""Judges of the divergence between diagonal Gaussians and of their product.

The divergence is an integral over one coordinate at a time, done by Gauss-Hermite quadrature, which
is exact for it. The product is Bayes' rule in the form of a gain, in decimal numbers.
"""

import decimal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, line_up, told_apart

# Divergence

_BATCH, _DIM = 4, 3
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(6)


def draw_kl(seed: int) -> list[Instance]:
    """Laws of moderate width, and very narrow ones in single precision."""
    generator = torch.Generator().manual_seed(seed + 3101)
    while True:
        mean, log_var = torch.randn(2, _BATCH, _DIM, generator=generator, dtype=torch.float64)
        prior = torch.randn(2, _DIM, generator=generator, dtype=torch.float64)
        args = {"mean": mean, "log_var": log_var}
        args |= {"prior_mean": prior[0], "prior_log_var": prior[1]}
        if told_apart(kl_by_quadrature(**args), _wrong_kl(**args)):
            break
    narrow = {name: value.float() for name, value in args.items()}
    narrow["log_var"] = narrow["log_var"] - 120
    return [
        Instance("four pairs of laws in three dimensions", args, 0.8),
        Instance("very narrow laws in single precision", narrow, 0.2),
    ]


def kl_by_quadrature(
    mean: Tensor, log_var: Tensor, prior_mean: Tensor, prior_log_var: Tensor
) -> Tensor:
    """E_q (log q - log p), summed over the coordinates of each example."""
    total = torch.zeros(len(mean), dtype=torch.float64)
    for i, j in np.ndindex(*mean.shape):
        m, v, a, b = (
            float(t) for t in (mean[i, j], log_var[i, j], prior_mean[j], prior_log_var[j])
        )
        z = m + np.exp(v / 2) * _NODES
        log_ratio = 0.5 * (b - v - _NODES**2 + (z - a) ** 2 * np.exp(-b))
        total[i] += float(_NODE_WEIGHTS @ log_ratio) / float(_NODE_WEIGHTS.sum())
    return total


def examine_kl(answer: Any, instance: Instance) -> Verdict:
    """Compare with a quadrature of each coordinate."""
    args = instance.args
    value = answers.call(answer, args)
    name = f"{answers.name_of(answer)}(...)"
    hint = "One number for each example is asked for: sum over the coordinates, not the batch."
    value = answers.expect_floats(name, value, (len(args["mean"]),), hint)
    narrow = args["mean"].dtype == torch.float32
    if narrow:
        text = "the exponential vanishes and its logarithm is infinite: log_var itself is needed."
        if not bool(value.isfinite().all()):
            raise Mistake("overflow", text, text)
    answers.expect_finite(name, value)
    plain = "it is not the divergence of the first law from the second."
    if narrow:
        plain = "right for moderate widths, wrong for very narrow laws."
    opening = "a divergence cannot be negative. " if bool((value < 0).any()) else ""
    suspects = () if narrow else _wrong_kl(**args)
    line_up(
        value, kl_by_quadrature(**args), suspects,
        tolerance=1e-4 if narrow else 1e-6, otherwise=opening + plain, plain=plain,
    )  # fmt: skip
    return right("the divergence of every example is right.")


def _wrong_kl(
    mean: Tensor, log_var: Tensor, prior_mean: Tensor, prior_log_var: Tensor
) -> Iterator[Suspect]:
    other = prior_mean.expand_as(mean), prior_log_var.expand_as(mean)
    truth = kl_by_quadrature(mean, log_var, prior_mean, prior_log_var)
    backwards = torch.stack([
        kl_by_quadrature(a[None], b[None], m, v)[0]
        for a, b, m, v in zip(*other, mean, log_var, strict=True)
    ])  # fmt: skip
    zero, moved = torch.zeros_like(prior_mean), mean - prior_mean
    logs = (prior_log_var - log_var).sum(-1)
    yield Suspect(
        "reversed", "the two laws are exchanged: it is the divergence of the second one.", backwards
    )
    yield Suspect("sign", "it has the wrong sign: a divergence is never negative.", -truth)
    yield Suspect("no-half", "it is twice as large: the factor one half is lost.", 2 * truth)
    yield Suspect(
        "constant", "the constant is lost: for equal laws the divergence is 0.",
        truth + 0.5 * mean.shape[-1],
    )  # fmt: skip
    yield Suspect(
        "log-std", "log_var is taken for the logarithm of a standard deviation.",
        kl_by_quadrature(mean, 2 * log_var, prior_mean, 2 * prior_log_var),
    )  # fmt: skip
    yield Suspect(
        "covariance", "standard deviations stand where variances belong.",
        kl_by_quadrature(mean, log_var / 2, prior_mean, prior_log_var / 2),
    )  # fmt: skip
    yield Suspect("mean", "it is a mean over the coordinates: add them.", truth / mean.shape[-1])
    yield Suspect(
        "standard-prior", "the second law is taken to be N(0, I).",
        kl_by_quadrature(mean, log_var, zero, zero),
    )  # fmt: skip
    yield Suspect(
        "no-prior-mean", "the mean of the second law is left out.",
        kl_by_quadrature(mean, log_var, zero, prior_log_var),
    )  # fmt: skip
    yield Suspect("no-log", "the logarithms of the two variances are left out.", truth - 0.5 * logs)
    yield Suspect(
        "unscaled", "the distance of the means is not divided by the second variance.",
        truth + 0.5 * (moved.square() * (1 - torch.exp(-prior_log_var))).sum(-1),
    )  # fmt: skip


# Product

_PARTS = ("the mean", "the logarithm of the variance")


def draw_merge(seed: int) -> list[Instance]:
    """Two estimates of moderate width, and two whose widths lie far apart."""
    generator = torch.Generator().manual_seed(seed + 4101)
    while True:
        draws = torch.randn(4, _BATCH, _DIM, generator=generator, dtype=torch.float64)
        args = dict(zip(("mean_a", "log_var_a", "mean_b", "log_var_b"), draws, strict=True))
        truth = merged(**args)
        if all(map(told_apart, truth, _wrong_merges(**args))):
            break
    far = {name: value.float() for name, value in args.items()}
    far["log_var_a"], far["log_var_b"] = far["log_var_a"] + 120, far["log_var_b"] + 117
    return [
        Instance("two estimates of every coordinate", args, 0.8),
        Instance("very wide laws in single precision", far, 0.2),
    ]


def merged(
    mean_a: Tensor, log_var_a: Tensor, mean_b: Tensor, log_var_b: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and log variance of the normalised product, the second law read as an observation."""
    out = torch.zeros(2, *mean_a.shape, dtype=torch.float64)
    with decimal.localcontext(prec=60):
        for place in np.ndindex(*mean_a.shape):
            a, u, b, v = (Decimal(float(t[place])) for t in (mean_a, log_var_a, mean_b, log_var_b))
            gain = u.exp() / (u.exp() + v.exp())
            out[(0, *place)] = float(a + gain * (b - a))
            out[(1, *place)] = float(((1 - gain) * u.exp()).ln())
    return out[0], out[1]


def examine_merge(answer: Any, instance: Instance) -> Verdict:
    """Compare mean and log variance with Bayes' rule."""
    args = instance.args
    shape, wide = tuple(args["mean_a"].shape), args["mean_a"].dtype == torch.float32
    parts = answers.expect_parts(answers.call(answer, args), _PARTS)
    truths, wrongs = merged(**args), _wrong_merges(**args)
    for what, part, truth, wrong in zip(_PARTS, parts, truths, wrongs, strict=True):
        value = answers.expect_floats(what, part, shape)
        if wide and not bool(value.isfinite().all()):
            text = "the exponential of a large log variance overflows: use differences of them."
            raise Mistake("overflow", text, text)
        answers.expect_finite(what, value)
        plain = f"{what} is not that of the normalised product of the two densities."
        if wide:
            plain = f"{what} is right for moderate widths and wrong for very wide laws."
        line_up(
            value, truth, () if wide else wrong,
            tolerance=1e-4 if wide else 1e-6, otherwise=plain, plain=plain,
        )  # fmt: skip
    return right("mean and variance are those of the normalised product.")


def _wrong_merges(
    mean_a: Tensor, log_var_a: Tensor, mean_b: Tensor, log_var_b: Tensor
) -> tuple[list[Suspect], list[Suspect]]:
    a, b = (-log_var_a).exp(), (-log_var_b).exp()
    log_var = merged(mean_a, log_var_a, mean_b, log_var_b)[1]
    roots = a.sqrt() + b.sqrt()
    means = [
        Suspect("average", "the mean is the average of the two: weigh them by their precision.",
                (mean_a + mean_b) / 2),
        Suspect("exchanged", "the mean is weighed by variances: the narrower law counts more.",
                (b * mean_a + a * mean_b) / (a + b)),
        Suspect("roots", "the mean is weighed by inverse standard deviations, not variances.",
                (a.sqrt() * mean_a + b.sqrt() * mean_b) / roots),
        Suspect("unnormalised", "the weights of the two means do not sum to 1.",
                a * mean_a + b * mean_b),
        Suspect("sum", "the mean is the sum of the two.", mean_a + mean_b),
        Suspect("first", "the mean is that of the first law alone.", mean_a),
    ]  # fmt: skip
    widths = [
        Suspect("variances", "the variances are added: in a product the precisions add up.",
                (1 / a + 1 / b).log()),
        Suspect("half", "the precisions are averaged: they add up.",
                log_var + float(np.log(2))),
        Suspect("not-log", "the variance itself is returned: its logarithm is asked for.",
                log_var.exp()),
        Suspect("precision", "the logarithm of the precision is returned: flip its sign.",
                -log_var),
        Suspect("log-std", "the logarithm of the standard deviation is returned.", log_var / 2),
        Suspect("average", "the log variances are averaged: the precisions add up.",
                (log_var_a + log_var_b) / 2),
        Suspect("roots", "inverse standard deviations are added, not inverse variances.",
                -2 * roots.log()),
    ]  # fmt: skip
    return means, widths

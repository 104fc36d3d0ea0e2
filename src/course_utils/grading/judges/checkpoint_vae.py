"""Judge of the checkpoint on variational inference: a decomposition and a gradient, to 1e-6.

The model is linear and Gaussian. The noise handed to the learner has a mean of exactly zero and the
identity as its second moment, so that every correct estimate of the bound's gradient, whichever of
its terms are sampled and whichever are integrated, equals the exact gradient. The judge finds that
one by differences of log p(x) - KL(q || p(z | x)), in which no draw occurs.
"""

from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.judges.linear_gaussian import divergence, elbo, log_evidence, posterior
from course_utils.grading.questions import Instance, Mistake, Verdict, right
from course_utils.grading.suspects import Suspect, close, line_up, told_apart

_PARTS = ("log p(x)", "the ELBO", "the gap", "the gradient by mean", "the gradient by log_std")
_DIM, _LATENT, _DRAWS = 4, 2, 6
_TOLERANCE = 1e-6
_STEP = 1e-4


def draw(seed: int) -> list[Instance]:
    """A model with an example and a law q: first its decomposition, then its gradient."""
    generator = torch.Generator().manual_seed(seed + 4808)
    while True:
        weight, x, bias = (torch.randn(*shape, generator=generator).double() for shape in
                           ((_DIM, _LATENT), (_DIM,), (_DIM,)))  # fmt: skip
        mean, log_std = (torch.randn(_LATENT, generator=generator).double() for _ in "ms")
        noise = 0.5 + float(torch.rand(1, generator=generator, dtype=torch.float64))
        args = {"x": x, "weight": weight, "bias": bias, "noise": noise, "mean": mean}
        args |= {"log_std": 0.5 * log_std, "eps": whitened(generator)}
        truths, suspects = _truth(args), _suspects(args)
        if all(map(told_apart, truths, suspects)):
            break
    return [
        Instance("the decomposition of log p(x)", args, 0.5),
        Instance("the reparameterised gradient", args, 0.5),
    ]


def whitened(generator: torch.Generator) -> Tensor:
    """Draws whose mean is zero and whose second moments are the identity, to rounding."""
    raw = torch.randn(_DRAWS, _LATENT, generator=generator, dtype=torch.float64)
    raw = torch.cat([torch.ones(_DRAWS, 1).double(), raw], 1)
    return torch.linalg.qr(raw).Q[:, 1:] * _DRAWS**0.5


def _bound(args: dict[str, Any], mean: Tensor, log_std: Tensor) -> Tensor:
    model = args["x"][None], args["weight"], args["bias"], args["noise"]
    return elbo(*model, mean[None], log_std.mul(2).exp().diag())[0]


def _truth(args: dict[str, Any]) -> tuple[Tensor, ...]:
    """Evidence, bound, gap, and both gradients by central differences."""
    model = args["x"][None], args["weight"], args["bias"], args["noise"]
    mean, log_std = args["mean"], args["log_std"]
    evidence = log_evidence(*model)[0]
    gap = divergence(mean[None], log_std.mul(2).exp().diag(), *posterior(*model))[0]
    steps = _STEP * torch.eye(_LATENT).double()
    by_mean = [_bound(args, mean + s, log_std) - _bound(args, mean - s, log_std) for s in steps]
    by_std = [_bound(args, mean, log_std + s) - _bound(args, mean, log_std - s) for s in steps]
    gradients = [torch.stack(differences) / (2 * _STEP) for differences in (by_mean, by_std)]
    return evidence, evidence - gap, gap, *gradients


def examine(answer: Any, instance: Instance) -> Verdict:
    """Compare the three numbers or the two gradients."""
    args = instance.args
    parts = answers.expect_parts(answers.call(answer, args), _PARTS)
    truths, suspects = _truth(args), _suspects(args)
    numbers = instance.name.startswith("the decomposition")
    chosen = range(3) if numbers else range(3, 5)
    values = {}
    for at in chosen:
        what = _PARTS[at]
        if parts[at] is None:
            text = f"{what} is None: the draws do not depend on the parameters."
            raise Mistake("detached", text, text)
        part = parts[at]
        if isinstance(part, float):
            part = torch.tensor(part, dtype=torch.float64)
        value = answers.expect_floats(what, part, tuple(truths[at].shape))
        values[at] = answers.expect_finite(what, value)
    for at, value in values.items():
        what = _PARTS[at]
        off = float((value - truths[at]).abs().max())
        plain = f"{what} is not right to 1e-6."
        if off < 1e-2:
            plain = f"{what} is close, but not right to 1e-6: is it in double precision?"
        line_up(value, truths[at], suspects[at], tolerance=_TOLERANCE / 2, otherwise=plain,
                plain=plain)  # fmt: skip
    if numbers and not close(values[1] + values[2], values[0], 2 * _TOLERANCE):
        text = "the bound and the gap do not add up to log p(x)."
        raise Mistake("no-sum", text, text)
    if numbers:
        return right("log p(x) is the bound plus the gap, each right to 1e-6.")
    return right("the reparameterised gradient equals the exact one to 1e-6.")


def _suspects(args: dict[str, Any]) -> tuple[list[Suspect], ...]:
    evidence, bound, gap, by_mean, by_std = _truth(args)
    mean, log_std, noise, weight = (args[k] for k in ("mean", "log_std", "noise", "weight"))
    variances = log_std.mul(2).exp()
    zero, identity = torch.zeros(1, _LATENT).double(), torch.eye(_LATENT).double()
    rate = divergence(mean[None], variances.diag(), zero, identity)[0]
    away = args["x"] - args["bias"] - weight @ mean
    pull = weight.T @ away / noise**2
    push = variances * weight.square().sum(0) / noise**2
    model = args["x"][None], args["weight"], args["bias"]
    backwards = divergence(*posterior(*model, noise), mean[None], variances.diag())[0]
    return (
        [Suspect("noise", "noise is taken for a variance: it is a standard deviation.",
                 log_evidence(*model, noise**0.5)[0]),
         Suspect("no-noise", "log p(x) leaves out what z contributes to the covariance of x.",
                 log_evidence(model[0], 0 * weight, args["bias"], noise)[0]),
         Suspect("bound", "log p(x) is the bound: the gap is missing.", bound)],
        [Suspect("evidence", "the ELBO is log p(x) itself: where is q?", evidence),
         Suspect("above", "the ELBO lies above log p(x): the gap is subtracted.", evidence + gap),
         Suspect("sign", "the ELBO has the wrong sign.", -bound),
         Suspect("no-rate", "the ELBO leaves out the divergence from the prior.", bound + rate),
         Suspect("rate-sign", "the ELBO adds the divergence from the prior.", bound + 2 * rate),
         Suspect("no-spread", "the ELBO takes the likelihood at the mean of q.",
                 bound + 0.5 * push.sum())],
        [Suspect("rate", "the gap is the divergence from the prior: from the posterior it is "
                 "asked for.", rate),
         Suspect("reversed", "the gap is the divergence the wrong way round: q comes first.",
                 backwards),
         Suspect("sign", "the gap has the wrong sign: it is never negative.", -gap)],
        [Suspect("sign", "the gradient by mean has the wrong sign: the bound's is asked for.",
                 -by_mean),
         Suspect("zero", "the gradient by mean is zero: the draws are cut off from it.",
                 0 * by_mean),
         Suspect("no-rate", "the gradient by mean leaves out the divergence from the prior.", pull),
         Suspect("only-rate", "the gradient by mean is that of the divergence from the prior "
                 "alone: the draws are cut off.", -mean),
         Suspect("sum", "the gradient by mean is a sum over the draws: a mean is asked for.",
                 _DRAWS * by_mean)],
        [Suspect("sign", "the gradient by log_std has the wrong sign: the bound's is asked for.",
                 -by_std),
         Suspect("zero", "the gradient by log_std is zero: the draws are cut off from it.",
                 0 * by_std),
         Suspect("by-std", "it is the gradient by the standard deviation, not by its logarithm.",
                 by_std / log_std.exp()),
         Suspect("no-entropy", "the gradient by log_std leaves out the entropy of q.", by_std - 1),
         Suspect("only-rate", "the gradient by log_std is that of the divergence from the prior "
                 "alone: the draws are cut off.", 1 - variances),
         Suspect("no-rate", "the gradient by log_std leaves out the divergence from the prior.",
                 -push)],
    )  # fmt: skip

"""Judges of a mixture's log density and of one step of expectation-maximisation, both in one
dimension.

The density is a sum in decimal numbers, which do not vanish far out. The step goes through the
examples one by one: Bayes' rule for each, then weighted sums, nothing of it in the log domain.
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

_CONTEXT = decimal.Context(prec=40)
_PI = Decimal("3.141592653589793238462643383279502884197")

# The density


def draw_density(seed: int) -> list[Instance]:
    """Points among the components, and points so far out that every exponential vanishes."""
    generator = torch.Generator().manual_seed(seed + 3001)
    while True:
        args = {"x": 2 * _normal(5, generator), **_mixture(generator)}
        if told_apart(density_truth(**args), _wrong_densities(**args)):
            break
    far = {**args, "x": torch.tensor([80.0, -120.0, 300.0], dtype=torch.float64)}
    return [
        Instance("five points among three components", args, 0.7),
        Instance("points far from all components", far, 0.3),
    ]


def _normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, generator=generator, dtype=torch.float64)


def _mixture(generator: torch.Generator) -> dict[str, Tensor]:
    weights = torch.rand(3, generator=generator, dtype=torch.float64) + 0.2
    stds = (0.4 * _normal(3, generator)).exp()
    return {
        "weights": weights / weights.sum(),
        "means": 2 * _normal(3, generator),
        "stds": stds,
    }


def density_truth(x: Tensor, weights: Tensor, means: Tensor, stds: Tensor) -> Tensor:
    """log sum_k w_k N(x; m_k, s_k^2) in decimal numbers."""
    out = []
    with decimal.localcontext(_CONTEXT):
        root = (2 * _PI).sqrt()
        for point in x.tolist():
            total = Decimal(0)
            for w, m, s in zip(weights.tolist(), means.tolist(), stds.tolist(), strict=True):
                away = (Decimal(point) - Decimal(m)) / Decimal(s)
                total += Decimal(w) / (Decimal(s) * root) * (-away * away / 2).exp()
            out.append(float(total.ln()))
    return torch.tensor(out, dtype=torch.float64)


def examine_density(answer: Any, instance: Instance) -> Verdict:
    """Compare at every point."""
    args = instance.args
    value = answers.call(answer, args)
    name = f"{answers.name_of(answer)}(...)"
    hint = "One number for each point is asked for: the components are summed over."
    value = answers.expect_floats(name, value, (len(args["x"]),), hint)
    far = len(args["x"]) == 3
    if far and not bool(value.isfinite().all()):
        text = "the densities vanish before they are added: take out the largest exponent first."
        raise Mistake("overflow", text, text)
    answers.expect_finite(name, value)
    plain = "it is not the logarithm of the mixture's density."
    if far:
        plain = "right among the components, wrong far away from them."
    suspects = () if far else _wrong_densities(**args)
    line_up(value, density_truth(**args), suspects, tolerance=1e-6, otherwise=plain, plain=plain)
    return right("the log density is right at every point.")


def _log_terms(x: Tensor, means: Tensor, stds: Tensor) -> Tensor:
    """Log density of each component without the constant log 2 pi, (points, components)."""
    return -0.5 * ((x[:, None] - means) / stds).square() - stds.log()


def _wrong_densities(x: Tensor, weights: Tensor, means: Tensor, stds: Tensor) -> Iterator[Suspect]:
    constant = 0.5 * torch.tensor(2 * torch.pi, dtype=torch.float64).log()
    truth = density_truth(x, weights, means, stds)
    terms = _log_terms(x, means, stds) - constant
    logs = weights.log()
    yield Suspect("sign", "it has the wrong sign: a log density is asked for, no loss.", -truth)
    yield Suspect("no-log", "it is the density itself, not its logarithm.", truth.exp())
    yield Suspect("no-constant", "the constant of the normal density is left out.",
                  truth + constant)  # fmt: skip
    yield Suspect("whole-constant", "the constant is log 2 pi in place of half of it.",
                  truth - constant)  # fmt: skip
    yield Suspect("no-std", "a narrow component has to be higher: 1 / std is left out.",
                  (terms + stds.log() + logs).exp().sum(1).log())  # fmt: skip
    yield Suspect("variance", "stds are taken for variances.",
                  density_truth(x, weights, means, stds.sqrt()))  # fmt: skip
    yield Suspect("no-weights", "the weights are left out.", terms.exp().sum(1).log())
    yield Suspect("equal-weights", "all components weigh the same.", terms.exp().mean(1).log())
    yield Suspect("mean-of-logs", "the logarithms are averaged: the densities should be.",
                  (weights * terms).sum(1))  # fmt: skip
    yield Suspect("best", "only the largest component counts.", (terms + logs).amax(1))
    yield Suspect("no-half", "the factor one half in the exponent is lost.",
                  (2 * (terms + constant + stds.log()) - stds.log() - constant + logs)
                  .exp().sum(1).log())  # fmt: skip


# One step of EM

_PARTS = ("weights", "means", "stds")
_EXAMPLES = 12


def draw_em(seed: int) -> list[Instance]:
    """Examples of moderate size, and some so far out that their densities vanish."""
    generator = torch.Generator().manual_seed(seed + 3002)
    while True:
        args = {"x": 2 * _normal(_EXAMPLES, generator), **_mixture(generator)}
        wrong = _wrong_steps(**args)
        apart = [told_apart(t, wrong[i]) for i, t in enumerate(em_truth(**args))]
        if all(apart) and float(em_truth(**args)[0].min()) > 0.02:
            break
    far = {**args, "x": torch.cat([args["x"], torch.tensor([90.0, -110.0]).double()])}
    return [
        Instance("twelve examples", args, 0.8),
        Instance("two examples far from all components", far, 0.2),
    ]


def responsibilities(x: Tensor, weights: Tensor, means: Tensor, stds: Tensor) -> np.ndarray:
    """Probability of each component given each example, by Bayes' rule in decimal numbers."""
    rows = []
    with decimal.localcontext(_CONTEXT):
        for point in x.tolist():
            joint = []
            for w, m, s in zip(weights.tolist(), means.tolist(), stds.tolist(), strict=True):
                away = (Decimal(point) - Decimal(m)) / Decimal(s)
                joint.append(Decimal(w) / Decimal(s) * (-away * away / 2).exp())
            rows.append([float(j / sum(joint)) for j in joint])
    return np.array(rows)


def em_truth(x: Tensor, weights: Tensor, means: Tensor, stds: Tensor) -> tuple[Tensor, ...]:
    """The next weights, means and standard deviations."""
    return _updated(x.numpy(), responsibilities(x, weights, means, stds))


def _updated(x: np.ndarray, shares: np.ndarray, center: Tensor | None = None) -> tuple[Tensor, ...]:
    """Weighted moments; deviations are taken from ``center`` if one is given."""
    count = shares.sum(0)
    mean = (shares * x[:, None]).sum(0) / count
    around = mean if center is None else center.numpy()
    variance = (shares * (x[:, None] - around) ** 2).sum(0) / count
    return tuple(map(torch.as_tensor, (count / len(x), mean, np.sqrt(variance))))


def examine_em(answer: Any, instance: Instance) -> Verdict:
    """Compare weights, means and standard deviations, in this order."""
    args = instance.args
    parts = answers.expect_parts(answers.call(answer, args), _PARTS)
    far = len(args["x"]) > _EXAMPLES
    hint = "One number for each component is asked for."
    truths = em_truth(**args)
    suspects = ((), (), ()) if far else _wrong_steps(**args)
    for name, part, truth, known in zip(_PARTS, parts, truths, suspects, strict=True):
        value = answers.expect_floats(name, part, tuple(truth.shape), hint)
        if far and not bool(value.isfinite().all()):
            text = "the densities of an example vanish and 0 / 0 is left: work with logarithms."
            raise Mistake("overflow", text, text)
        answers.expect_finite(name, value)
        plain = f"the {name} are not those of the next step."
        if far:
            plain = f"the {name} are right for moderate examples, wrong with some far out."
        line_up(value, truth, known, tolerance=1e-6, otherwise=plain, plain=plain)
    return right("weights, means and standard deviations are those of the next step.")


def _wrong_steps(
    x: Tensor, weights: Tensor, means: Tensor, stds: Tensor
) -> tuple[list[Suspect], list[Suspect], list[Suspect]]:
    shares, points = responsibilities(x, weights, means, stds), x.numpy()
    truth = _updated(points, shares)
    hard = np.eye(3)[shares.argmax(1)] + 1e-300
    even = responsibilities(x, torch.full_like(weights, 1 / 3), means, stds)
    likelihoods = _log_terms(x, means, stds).exp().numpy() * weights.numpy()
    rules = (
        ("hard", "each example is given to its likeliest component: share it out.", hard),
        ("no-prior", "the shares ignore the weights of the components.", even),
        ("not-shared", "an example's shares do not sum to one: divide by their sum.", likelihoods),
        ("wrong-axis", "the shares are normalised over the examples, not over the components.",
         likelihoods / likelihoods.sum(0)),
    )  # fmt: skip
    found: tuple[list[Suspect], ...] = ([], [], [])
    for category, text, wrong in rules:
        found[0].append(Suspect(category, text, _updated(points, wrong)[0]))
    found[0].append(Suspect("sum", "the weights sum to the number of examples, not to one.",
                            truth[0] * len(x)))  # fmt: skip
    found[0].append(Suspect("old", "the weights are the old ones.", weights))
    found[1].append(Suspect("by-n", "each mean is divided by the number of all examples, not by "
                            "its component's share of them.", truth[0] * truth[1]))  # fmt: skip
    found[1].append(Suspect("old", "the means are the old ones.", means))
    found[2].append(Suspect("old-mean", "the deviations are from the old means: take the new ones.",
                            _updated(points, shares, means)[2]))  # fmt: skip
    found[2].append(Suspect("variance", "variances are returned: take their roots.",
                            truth[2].square()))  # fmt: skip
    found[2].append(Suspect("by-n", "each variance is divided by the number of all examples.",
                            truth[2] * truth[0].sqrt()))  # fmt: skip
    found[2].append(Suspect("old", "the standard deviations are the old ones.", stds))
    return found

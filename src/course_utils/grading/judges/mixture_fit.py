"""Judge of a fitted mixture in the plane: its divergence from the source, by quadrature.

The source is a mixture that the judge knows. Its divergence from what was handed in is an integral
over the plane, done on a grid that is fine against every component's width.
"""

import math
from typing import Any

import torch
from torch import Tensor

from course_utils.grading import answers
from course_utils.grading.questions import Instance, Mistake, Verdict, right

_EXAMPLES, _COMPONENTS = 3000, 3
_FULL, _HALF = 0.01, 0.04
_SHAPES = {
    "weights": (_COMPONENTS,),
    "means": (_COMPONENTS, 2),
    "covariances": (_COMPONENTS, 2, 2),
}


def draw(seed: int) -> list[Instance]:
    """Three longish clouds around a triangle, and examples of them."""
    generator = torch.Generator().manual_seed(seed + 3008)
    turn = 2 * math.pi * torch.rand(4, generator=generator, dtype=torch.float64)
    angles = turn[0] + 2 * math.pi * torch.arange(_COMPONENTS).double() / _COMPONENTS
    means = 2.2 * torch.stack([angles.cos(), angles.sin()], 1)
    roots = []
    for angle in turn[1:]:
        cos, sin = float(angle.cos()), float(angle.sin())
        rotation = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
        roots.append(rotation @ torch.diag(torch.tensor([1.0, 0.4]).double()))
    factors = torch.stack(roots)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    chosen = torch.multinomial(weights, _EXAMPLES, replacement=True, generator=generator)
    noise = torch.randn(_EXAMPLES, 2, generator=generator, dtype=torch.float64)
    x = means[chosen] + torch.einsum("nij,nj->ni", factors[chosen], noise)
    args = {
        "x": x.float(),
        "weights": weights,
        "means": means,
        "covariances": factors @ factors.mT,
    }
    return [Instance("three clouds in the plane", args)]


def examine(answer: Any, instance: Instance) -> Verdict:
    """Recompute the divergence from the file."""
    fitted = _read(answer)
    source = {name: instance.args[name] for name in _SHAPES}
    gap = divergence(source, fitted)
    if not math.isfinite(gap):
        raise Mistake("overflow", "the divergence is not finite: is a component degenerate?")
    shown = f"the divergence of the source from the fit is {gap:.4f} nats"
    if gap <= _FULL:
        return right(f"{shown}, at most {_FULL}.")
    advice = _advice(fitted, source)
    fraction = 0.5 if gap <= _HALF else 0.0
    return Verdict(fraction, f"{shown}, more than {_FULL}: {advice}", "wrong", "gap", advice)


def _advice(fitted: dict[str, Tensor], source: dict[str, Tensor]) -> str:
    distances = torch.cdist(fitted["means"], fitted["means"])
    if (
        float(distances[distances > 0].numel()) == 0
        or float((distances + 9 * torch.eye(_COMPONENTS).double()).min()) < 0.3
    ):
        return "two components sit in one place: equal starts stay equal, so start them apart."
    if float(fitted["weights"].min()) < 0.05:
        return "a component has nearly no weight: start again from other means."
    if bool((fitted["covariances"][:, 0, 1].abs() < 1e-6).all()):
        return "the clouds lie askew: let the covariances be full matrices."
    far = torch.cdist(source["means"], fitted["means"]).amin(1)
    if float(far.max()) > 1.0:
        return "a cloud has no component near it: start again from other means."
    return "let it run longer, and check the update of the covariances."


def _read(answer: Any) -> dict[str, Tensor]:
    loaded = answers.read_weights(answer)
    for name, shape in _SHAPES.items():
        if name not in loaded:
            raise Mistake("missing-tensor", f"the file holds no tensor named {name!r}.")
        answers.expect_finite(name, answers.expect_floats(name, loaded[name], shape))
    kept = {name: loaded[name].double() for name in _SHAPES}
    if float((kept["weights"].sum() - 1).abs()) > 1e-3 or float(kept["weights"].min()) < 0:
        text = "the weights are not a law: they have to be at least 0 and sum to one."
        raise Mistake("no-law", text, text)
    kept["weights"] = kept["weights"] / kept["weights"].sum()
    covariances = kept["covariances"]
    symmetric = float((covariances - covariances.mT).abs().max()) < 1e-4
    if not symmetric or float(torch.linalg.eigvalsh(covariances).min()) <= 1e-6:
        text = "a covariance is not symmetric and positive definite."
        raise Mistake("no-covariance", text, text)
    return kept


def log_density(z: Tensor, law: dict[str, Tensor]) -> Tensor:
    """log p(z) at each row, component by component."""
    terms = []
    for weight, mean, covariance in zip(*(law[name] for name in _SHAPES), strict=True):
        away = z - mean
        inverse = torch.linalg.inv(covariance)
        square = (away @ inverse * away).sum(1)
        constant = float(torch.logdet(2 * math.pi * covariance))
        terms.append(weight.clamp_min(1e-300).log() - 0.5 * (square + constant))
    return torch.stack(terms).logsumexp(0)


def divergence(source: dict[str, Tensor], fitted: dict[str, Tensor]) -> float:
    """KL(source || fitted) in nats, on a grid that reaches six widths beyond the means."""
    axis = torch.linspace(-9, 9, 301, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    log_p, log_q = log_density(z, source), log_density(z, fitted)
    return float((log_p.exp() * (log_p - log_q)).sum() * (axis[1] - axis[0]) ** 2)

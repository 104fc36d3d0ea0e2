r"""A generative model as a classifier: learn p(y) and p(x | y), turn them round by Bayes' rule.

The joint law is that of a Gaussian mixture whose component is the class y, observed in training.
So its maximum-likelihood fit is one M-step with known responsibilities. For two classes with the
same covariance Σ the quadratic terms of the two log densities cancel and the log odds are linear,

    log p(y=1 | x) / p(y=0 | x) = wᵀx + b,    w = Σ⁻¹(μ_1 − μ_0),
    b = ½ (μ_0ᵀ Σ⁻¹ μ_0 − μ_1ᵀ Σ⁻¹ μ_1) + log π_1 / π_0,

and the posterior is the logistic function of wᵀx + b.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.models.classical.mixture import GaussianMixture, maximise


@dataclass(frozen=True)
class LogisticForm:
    """The posterior p(y = 1 | x) = 1 / (1 + exp(−(wᵀx + b))) of a two-class model.

    Attributes:
        weight: w.
        bias: b.
    """

    weight: Float[Tensor, " dim"]
    bias: Float[Tensor, ""]

    def log_odds(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """wᵀx + b in nats; positive where class 1 is the more probable one."""
        return x @ self.weight + self.bias


def fit_labelled(
    x: Float[Tensor, "batch dim"],
    labels: Int[Tensor, " batch"],
    num_classes: int,
    *,
    tied: bool = False,
    ridge: float = 0.0,
) -> GaussianMixture:
    """Fit p(y) p(x | y) with Gaussian classes to labelled data; component k is class k.

    Args:
        x: Examples.
        labels: y_n in 0 … C−1; every class has to occur.
        num_classes: C.
        tied: The same covariance for all classes (linear discriminant analysis).
        ridge: A number ≥ 0 added to every variance.

    Returns:
        The mixture whose ``posterior`` is p(y | x).

    Raises:
        ArgumentError: A label is out of range, a class does not occur, or a covariance is singular.

    Accuracy:
        Exact maximum likelihood for ``ridge=0``.

    Source:
        [bishop2006pattern].
    """
    check_int("num_classes", num_classes, low=1)
    check_tensor("x", x, shape=("batch", "dim"), dtype="float")
    high = num_classes - 1
    check_tensor("labels", labels, shape=(len(x),), dtype="integer", low=0, high=high)
    known = torch.nn.functional.one_hot(labels.long(), num_classes).to(x)
    if bool((known.sum(0) == 0).any()):
        raise ArgumentError("labels: expected every class to occur, got none of one")
    return maximise(x, known, tied=tied, ridge=ridge)


def logistic_form(model: GaussianMixture) -> LogisticForm:
    """Weight and bias of the log odds of a two-class model with one covariance.

    Raises:
        ArgumentError: Not two components, or their covariances differ.

    Accuracy:
        Exact.

    Source:
        [bishop2006pattern].
    """
    _check_two_tied(model)
    directions = torch.linalg.solve(model.covariances[0], model.means.mT)
    weight = directions[:, 1] - directions[:, 0]
    squares = (model.means * directions.mT).sum(-1)
    log_weights = model.weights.log()
    bias = 0.5 * (squares[0] - squares[1]) + log_weights[1] - log_weights[0]
    return LogisticForm(weight, bias)


def bayes_error(model: GaussianMixture) -> float:
    r"""Smallest error any classifier can have on data of a two-class model with one covariance.

    The log odds s are normal in each class, with means ±Δ²/2 + log π_1/π_0 and variance
    Δ² = (μ_1 − μ_0)ᵀ Σ⁻¹ (μ_1 − μ_0), and the best decision asks whether s > 0. With equal
    classes the error is Φ(−Δ/2).

    Returns:
        A probability between 0 and ½.

    Raises:
        ArgumentError: Not two components, or their covariances differ.

    Accuracy:
        Exact.
    """
    _check_two_tied(model)
    moved = model.means[1] - model.means[0]
    square = float(moved @ torch.linalg.solve(model.covariances[0], moved))
    zero, one = model.weights.tolist()
    if min(zero, one) == 0 or square == 0:
        return min(zero, one)
    prior, distance = math.log(one / zero), math.sqrt(square)
    missed = one * _normal_cdf((-square / 2 - prior) / distance)
    false = zero * _normal_cdf((-square / 2 + prior) / distance)
    return missed + false


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _check_two_tied(model: GaussianMixture) -> None:
    if model.num_components != 2:
        raise ArgumentError(f"model: expected two classes, got {model.num_components}")
    if not torch.allclose(model.covariances[0], model.covariances[1]):
        raise ArgumentError("model: expected one covariance for both classes, got two")

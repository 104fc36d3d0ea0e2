r"""Linear regression with a prior: the maximum a posteriori is a regularised least-squares fit.

For targets y = X w + noise of variance σ² and a prior on the weights, minus the log posterior is,
up to a constant and a factor 1/σ²,

    Gaussian prior N(0, τ²):          ½ ‖y − X w‖² + (λ/2) ‖w‖²,   λ = σ²/τ²     (ridge)
    Laplace prior e^(−|w|/b)/(2b):    ½ ‖y − X w‖² + λ ‖w‖₁,       λ = σ²/b      (lasso)

The first has a closed form. The second has one for a single weight, the soft threshold, and is
solved by going through the weights in turn.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor


def ridge(
    design: Float[Tensor, "examples weights"],
    targets: Float[Tensor, " examples"],
    strength: float,
) -> Float[Tensor, " weights"]:
    """Minimum w = (Xᵀ X + λ I)⁻¹ Xᵀ y of ½ ‖y − X w‖² + (λ/2) ‖w‖².

    Args:
        design: X, one row per example.
        targets: y.
        strength: λ ≥ 0, the ratio σ²/τ² of noise and prior variance; 0 is least squares.

    Returns:
        w, the mean and the mode of the Gaussian posterior.

    Raises:
        ArgumentError: The shapes do not fit, λ is negative, or XᵀX + λI is singular.

    Accuracy:
        Exact; the condition number of X enters squared.

    Source:
        [hoerl1970ridge].
    """
    _check(design, targets, strength)
    gram = design.mT @ design + strength * torch.eye(design.shape[1]).to(design)
    factor, failed = torch.linalg.cholesky_ex(gram)
    pivots = factor.diagonal()
    if bool(failed) or bool(pivots.min() < 4 * torch.finfo(gram.dtype).eps ** 0.5 * pivots.max()):
        raise ArgumentError("design: expected independent columns or strength > 0, got neither")
    return torch.cholesky_solve((design.mT @ targets).unsqueeze(-1), factor).squeeze(-1)


def soft_threshold(
    values: Float[Tensor, "*shape"], threshold: float | Float[Tensor, "*#shape"]
) -> Float[Tensor, "*shape"]:
    """Minimum sign(v) max(|v| − λ, 0) of ½ (v − w)² + λ |w| over w.

    Args:
        values: v.
        threshold: λ ≥ 0.

    Accuracy:
        Exact.
    """
    return torch.sign(values) * (values.abs() - threshold).clamp_min(0)


def lasso(
    design: Float[Tensor, "examples weights"],
    targets: Float[Tensor, " examples"],
    strength: float,
    *,
    num_sweeps: int = 1000,
) -> Float[Tensor, " weights"]:
    """Minimum of ½ ‖y − X w‖² + λ ‖w‖₁ by coordinate descent.

    With the other weights fixed, w_j is a soft threshold of the correlation x_jᵀ r_j of its column
    with what the others leave over, w_j = S(x_jᵀ r_j, λ) / ‖x_j‖².

    Args:
        design: X, one row per example; no column is zero.
        targets: y.
        strength: λ ≥ 0, the ratio σ²/b of noise variance and prior scale.
        num_sweeps: Most passes through all weights; it stops when nothing moves any more.

    Returns:
        w, with exact zeros.

    Raises:
        ArgumentError: The shapes do not fit, λ is negative, or a column is zero.

    Accuracy:
        Converges to the minimum of this convex function, within one sweep if the columns are
        orthogonal; rounding if it stops by itself.

    Source:
        [tibshirani1996regression].
    """
    _check(design, targets, strength)
    check_int("num_sweeps", num_sweeps, low=1)
    gram, correlations = design.mT @ design, design.mT @ targets
    if bool((gram.diagonal() == 0).any()):
        raise ArgumentError("design: expected columns that are not zero, got one that is")
    weights = torch.zeros_like(correlations)
    for _ in range(num_sweeps):
        before = weights.clone()
        for j in range(len(weights)):
            left = correlations[j] - gram[j] @ weights + gram[j, j] * weights[j]
            weights[j] = soft_threshold(left, strength) / gram[j, j]
        if bool((weights == before).all()):
            break
    return weights


def _check(design: Tensor, targets: Tensor, strength: float) -> None:
    check_tensor("design", design, shape=("examples", "weights"), dtype="float")
    check_tensor("targets", targets, shape=(len(design),), dtype="float")
    check_number("strength", strength, low=0)
